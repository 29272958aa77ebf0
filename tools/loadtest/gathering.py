"""When the streams of a trial have been there together for long enough. Pure."""

from __future__ import annotations

import math


class Gathering:
    """Of ``streams`` streams, numbered from 1; ``together_s`` from when the last has come.

    One that is refused and comes back may come late; the others go on until it is there.
    """

    def __init__(self, streams: int, together_s: float = math.inf) -> None:
        self._missing = set(range(1, streams + 1))
        self._together_s = together_s
        self._last_came_s = -math.inf

    def came(self, stream: int, now_s: float) -> None:
        """The stream is ready to play; said again with every connection that it has."""
        if stream in self._missing:
            self._missing.remove(stream)
            self._last_came_s = now_s

    def left(self, stream: int) -> None:
        """The stream will not play, or not any more: nobody waits for it."""
        self._missing.discard(stream)

    def is_over(self, now_s: float) -> bool:
        """Whether no clip needs to be begun any more."""
        return not self._missing and now_s >= self._last_came_s + self._together_s
