"""The slots that a frontend holds: claimed, found open where a predecessor died, and released.

A slot belongs to the process that holds the record lock on byte ``slot`` of the memfd. The kernel
drops the lock with its holder, so no crash leaves a slot taken; and only the holder writes the
slot's frontend lines, so every word keeps one writer.
"""

from __future__ import annotations

import fcntl

from shm import layout
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.plane import Plane
from shm.seal import CorruptRecordError
from shm.sheet import read_sheet


class SlotPool:
    """The slots that this frontend may claim: any that nobody holds."""

    __slots__ = ("_bells", "_frontend", "_lines", "_next", "_plane", "_slots")

    def __init__(self, plane: Plane, bells: Doorbells, frontend: int) -> None:
        self._plane = plane
        self._bells = bells
        self._frontend = frontend
        slots = range(plane.geometry.slots)
        self._lines = [plane.line(plane.layout.frontend_line(slot)) for slot in slots]
        self._slots: dict[int, FrontendSlot] = {}
        self._next = 0

    def claim(
        self, origin_samples: int = 0, partials: int = layout.PARTIALS_OF_ENGINE
    ) -> FrontendSlot | None:
        """A free slot with a fresh session, or None when every slot is held.

        ``origin_samples`` of its stream were settled before: times count from before them. One that
        a dead frontend left open is taken only where there is no other: its client may come back.
        """
        slots = len(self._lines)
        in_turn = [(self._next + step) % slots for step in range(slots)]
        for slot in sorted(in_turn, key=lambda slot: self._epoch(slot) & 1):
            if slot not in self._slots and self._lock(slot):
                self._next = slot + 1
                self._slots[slot] = FrontendSlot.begin(
                    self._plane, self._bells, slot, self._frontend, origin_samples, partials
                )
                return self._slots[slot]
        return None

    def find(self) -> list[FrontendSlot]:
        """The sessions of this frontend that nobody holds, held from now on.

        Its predecessor died, and took its connections with it; or it let them go for a frontend
        that died. Whoever cannot go on with a session releases it.
        """
        mine = [
            (slot, self._epoch(slot))
            for slot in range(len(self._lines))
            if self._owner(slot) == self._frontend
        ]
        return [found for slot, epoch in mine if (found := self.take(slot, epoch)) is not None]

    def take(self, slot: int, epoch: int) -> FrontendSlot | None:
        """The open session of ``epoch``, held from now on; None where another holds it, or none."""
        if slot in self._slots or not epoch & 1 or not self._lock(slot):
            return None
        # Another frontend may have claimed and released it before the lock was ours.
        if self._epoch(slot) != epoch:
            self._unlock(slot)
            return None
        found = FrontendSlot.find(self._plane, self._bells, slot, self._frontend)
        self._slots[slot] = found
        return found

    def let_go(self, slot: FrontendSlot) -> None:
        """The session stays open, for another frontend to take."""
        del self._slots[slot.slot]
        self._unlock(slot.slot)

    def client_in(self, slot: int) -> tuple[int, bytes] | None:
        """The epoch of the session that is open in a slot, whoever holds it, and its client.

        None where there is none, or none that may be come back to.
        """
        if not 0 <= slot < len(self._lines):
            return None
        epoch = self._epoch(slot)
        offset = self._plane.layout.sheet(slot)
        try:
            client = read_sheet(self._plane.bytes(offset, layout.SHEET_BYTES), epoch)
        except CorruptRecordError:  # as when it is being written
            return None
        return (epoch, client) if client is not None and epoch & 1 else None

    def is_open(self, slot: int, epoch: int) -> bool:
        """Whether that session is not over."""
        return self._epoch(slot) == epoch

    def release(self, slot: FrontendSlot) -> None:
        """Ends the session at once: what was not finalised is dropped with it."""
        del self._slots[slot.slot]
        slot.end_session()
        self._unlock(slot.slot)

    def holds(self, slot: int) -> bool:
        return slot in self._slots

    @property
    def held(self) -> int:
        return len(self._slots)

    def _lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._plane.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(self, slot: int) -> None:
        fcntl.lockf(self._plane.fd, fcntl.LOCK_UN, 1, slot)

    def _epoch(self, slot: int) -> int:
        """Odd while a session is open."""
        return self._lines[slot][layout.SLOT_SESSION]

    def _owner(self, slot: int) -> int:
        return self._lines[slot][layout.SLOT_OWNER]
