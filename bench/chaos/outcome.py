"""What a scenario came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Outcome:
    """Lines to print, figures for a file, and what should not have been, a line each."""

    lines: list[str]
    figures: dict[str, Any]
    failures: list[str] = field(default_factory=list)
