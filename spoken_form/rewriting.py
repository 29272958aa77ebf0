"""Rewriting rules: a pattern and what its matches become, applied one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

Rule: TypeAlias = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]
"""As for `re.sub`: the replacement is a template or a function of the match."""


def rewrite(text: str, rules: Iterable[Rule]) -> str:
    """``text`` after each rule in turn; what a rule writes, a later one may rewrite."""
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text
