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


class SlotPool:
    """The slots that this frontend may claim: any that nobody holds."""

    __slots__ = ("_bells", "_frontend", "_next", "_plane", "_slots")

    def __init__(self, plane: Plane, bells: Doorbells, frontend: int) -> None:
        self._plane = plane
        self._bells = bells
        self._frontend = frontend
        self._slots: dict[int, FrontendSlot] = {}
        self._next = 0

    def claim(
        self, origin_samples: int = 0, partials: int = layout.PARTIALS_OF_ENGINE
    ) -> FrontendSlot | None:
        """A free slot with a fresh session, or None when every slot is held.

        ``origin_samples`` of its stream were settled before: times count from before them.
        """
        slots = self._plane.geometry.slots
        for step in range(slots):
            slot = (self._next + step) % slots
            if slot not in self._slots and self._lock(slot):
                self._next = slot + 1
                self._slots[slot] = FrontendSlot.begin(
                    self._plane, self._bells, slot, self._frontend, origin_samples, partials
                )
                return self._slots[slot]
        return None

    def find(self) -> list[FrontendSlot]:
        """The sessions that a predecessor of this frontend left open, held from now on.

        A frontend that died took its connections with it. Whoever cannot go on with a session
        releases it.
        """
        found = []
        for slot in range(self._plane.geometry.slots):
            # Another frontend may have claimed and released it before the lock was ours.
            if self._is_left_open(slot) and self._lock(slot):
                if self._is_left_open(slot):
                    self._slots[slot] = FrontendSlot.find(
                        self._plane, self._bells, slot, self._frontend
                    )
                    found.append(self._slots[slot])
                else:
                    self._unlock(slot)
        return found

    def release(self, slot: FrontendSlot) -> None:
        """Ends the session at once: what was not finalised is dropped with it."""
        del self._slots[slot.slot]
        slot.end_session()
        self._unlock(slot.slot)

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

    def _is_left_open(self, slot: int) -> bool:
        line = self._plane.line(self._plane.layout.frontend_line(slot))
        return bool(line[layout.SLOT_SESSION] & 1) and line[layout.SLOT_OWNER] == self._frontend
