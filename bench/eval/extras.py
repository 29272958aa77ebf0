"""The packages of the `eval` extra, imported where they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

from bench.eval.errors import EvalError


def extra(name: str) -> Any:
    """The module of that name. Raises EvalError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EvalError(f"{name} is missing: pip install -e '.[eval]'") from error
