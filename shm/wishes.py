"""What one frontend asks of another: to let go of a session, whose client has come to the asker.

Each frontend has one word for it in its process line, and rings the bell of the session's owner. A
wish stands until it is granted or the session is over; a successor of the owner finds it as well.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from shm import layout
from shm.doorbells import Doorbells
from shm.plane import Plane

_SLOT_BITS: Final = 13
assert 1 << _SLOT_BITS > layout.MAX_SLOTS


class Wish(NamedTuple):
    """The session of ``epoch`` in a slot; for whom, where it is another's wish."""

    slot: int
    epoch: int
    frontend: int


class Wishes:
    """Those of one frontend, and of the others."""

    def __init__(self, plane: Plane, bells: Doorbells, frontend: int) -> None:
        self._plane = plane
        self._bells = bells
        self._frontend = frontend
        frontends = range(plane.geometry.frontends)
        self._lines = [plane.line(plane.layout.frontend_process(index)) for index in frontends]

    def make(self, slot: int, epoch: int) -> None:
        """Asks for a session; an earlier wish is forgotten."""
        self._lines[self._frontend][layout.PROCESS_WISH] = epoch << _SLOT_BITS | slot + 1
        line = self._plane.line(self._plane.layout.frontend_line(slot))
        self._bells.frontends[line[layout.SLOT_OWNER]].ring()

    def forget(self) -> None:
        """Nothing is wished for."""
        self._lines[self._frontend][layout.PROCESS_WISH] = 0

    def of_others(self) -> list[Wish]:
        """What other frontends wish for, of whomever."""
        words = [(index, line[layout.PROCESS_WISH]) for index, line in enumerate(self._lines)]
        return [
            Wish((word & (1 << _SLOT_BITS) - 1) - 1, word >> _SLOT_BITS, index)
            for index, word in words
            if word and index != self._frontend
        ]

    def granted(self, wish: Wish) -> None:
        """Tells the one whose wish it was."""
        self._bells.frontends[wish.frontend].ring()
