"""Progress on stderr: a line when something starts and about every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

EVERY_S: Final = 10.0

Item = TypeVar("Item")


def progress(items: Sequence[Item], title: str) -> Iterator[Item]:
    """The items, telling from time to time how many are done."""
    say(f"{title}: {len(items)}")
    told_s = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - told_s > EVERY_S:
            say(f"{title}: {number} of {len(items)}")
            told_s = time.monotonic()
        yield item


def say(line: str) -> None:
    """One line on stderr, at once."""
    print(line, file=sys.stderr, flush=True)
