"""Waiting for a condition instead of sleeping for a result; one constant bounds every wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 60.0
"""Longer than anything takes on a busy machine: to run into it is a failure, not a slow day."""
POLL_S: Final = 0.02


def wait_until(
    holds: Callable[[], bool], what: str, instead: Callable[[], object] | None = None
) -> None:
    """Returns once ``holds()``; fails with ``what`` was waited for when patience has run out.

    ``instead`` is asked then what is the case instead.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline_s:
            but = "" if instead is None else f", but {instead()}"
            raise AssertionError(f"waited {PATIENCE_S:g} s for this: {what}{but}")
        time.sleep(POLL_S)
