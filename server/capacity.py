"""How many streams this machine holds: by the worker's own clock first, then by trial. Pure.

As many as are known to be held are let in at once. Beyond that it is one at a time: after each the
engine is watched for a while, and if no stream falls behind, so many are known to be held from then
on. While streams are behind nobody is let in, and some of the number is taken back. So ten times
the load that a machine can bear is refused at the door, and those inside keep their bounds.
"""

from __future__ import annotations

import math
from typing import Final

TRIAL_S: Final = 2.0
"""How long one more stream is watched: some chunks, so that a queue would have begun to grow."""
REST_S: Final = 5.0
"""Nobody is let in for so long after streams were behind."""
TAKEN_BACK: Final = 0.9
"""What is left of the known number when streams fall behind."""


class Capacity:
    """A number of streams that goes up by trial and down by error."""

    __slots__ = ("_known", "_most", "_quiet_until_s", "_trial_ends_s")

    def __init__(self, known: int, most: int) -> None:
        """``most`` is what there are slots for; both are at least 1."""
        self._most = most
        self._known = max(1, min(known, most))
        self._trial_ends_s = -math.inf
        self._quiet_until_s = -math.inf

    @property
    def known(self) -> int:
        """Streams that are let in without a trial."""
        return self._known

    def admits(self, held: int, now_s: float) -> bool:
        """Whether one more may come to the ``held``; `let_in` says that it did."""
        if held >= self._most or now_s < self._quiet_until_s:
            return False
        return held < self._known or now_s >= self._trial_ends_s

    def let_in(self, held: int, now_s: float) -> None:
        """One more came; there are ``held`` now."""
        if held > self._known:
            self._trial_ends_s = now_s + TRIAL_S

    def observe(self, held: int, now_s: float, *, late: bool) -> None:
        """What a look at the engine shows: ``late``, if a stream in real time falls behind."""
        if late:
            if now_s >= self._quiet_until_s:
                self._known = max(1, math.floor(TAKEN_BACK * min(self._known, max(held, 1))))
            self._quiet_until_s = now_s + REST_S
        elif held > self._known and now_s >= max(self._trial_ends_s, self._quiet_until_s):
            self._known = held
