"""Which number of streams to try next, to find the most that a server holds. Pure."""

from __future__ import annotations

from typing import Final

PRECISION: Final = 50
"""The answer is exact up to so many streams, above them to one part in so many."""


class Search:
    """Doubles while the bounds hold, then halves what lies between held and missed.

    That more streams are never easier than fewer is taken for granted: a trial is not repeated.
    """

    def __init__(self, first: int, most: int) -> None:
        """Begins with ``first`` streams and never tries more than ``most``, both at least 1."""
        self._first = min(first, most)
        self._most = most
        self.held = 0
        """The most streams that held every bound so far."""
        self.missed: int | None = None
        """The fewest that did not."""

    @property
    def streams(self) -> int | None:
        """How many to try now; None once `held` is the answer."""
        if self.missed is not None:
            gap = self.missed - self.held
            is_close = gap <= max(1, self.held // PRECISION)
            return None if is_close else self.held + gap // 2
        if self.held == self._most:
            return None
        return min(2 * self.held, self._most) if self.held else self._first

    def tell(self, streams: int, *, holds: bool) -> None:
        """A trial of so many streams is over."""
        if holds:
            self.held = streams
        else:
            self.missed = streams
