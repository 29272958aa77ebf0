"""The command ``realtime-engine``, run to its end."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from tests.conformance.server_process import start
from tests.conformance.waiting import PATIENCE_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it said."""

    status: int
    output: list[str]
    errors: list[str]


def run(*arguments: str, environment: dict[str, str] | None = None) -> Outcome:
    """Runs ``realtime-engine`` with ``arguments``; not for ``serve``, which does not end."""
    process = start(*arguments, environment=environment or {}, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.communicate()
        raise
    return Outcome(process.returncode, output.decode().splitlines(), errors.decode().splitlines())
