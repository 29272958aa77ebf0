"""Whether streams fall behind: audio in real time that should have been computed, and has not.

Read by frontends, which let nobody in while it is so. A client that sends a file as fast as it is
taken always has audio waiting, by its own doing: what tells it apart is that its backlog came in
less time than it lasts.
"""

from __future__ import annotations

from typing import Final

from shm import layout
from shm.arrivals import Arrivals
from shm.plane import Plane

LATE_S: Final = 1.5
"""Of audio that waits behind a full chunk: the model's look-ahead, and a queue of the moment."""
REAL_TIME_SHARE: Final = 0.8
"""A backlog that took at least this share of its own length to arrive came in real time."""


class Lateness:
    """Looks at all slots of one plane."""

    def __init__(self, plane: Plane) -> None:
        geometry = plane.geometry
        self._rate_hz = geometry.sample_rate_hz
        self._chunk_samples = geometry.chunk_samples
        self._slots = [
            (
                plane.line(plane.layout.frontend_line(slot)),
                plane.line(plane.layout.worker_line(slot)),
                Arrivals(plane, slot),
            )
            for slot in range(geometry.slots)
        ]

    @property
    def held(self) -> int:
        """Streams that hold a slot."""
        return sum(frontend[layout.SLOT_SESSION] & 1 for frontend, _, _ in self._slots)

    @property
    def is_late(self) -> bool:
        """Whether a stream in real time is behind by `LATE_S` or more."""
        return any(self._behind_s(slot) >= LATE_S for slot in range(len(self._slots)))

    def _behind_s(self, slot: int) -> float:
        frontend, worker, arrivals = self._slots[slot]
        if not frontend[layout.SLOT_SESSION] & 1:
            return 0.0
        head = frontend[layout.SLOT_AUDIO_HEAD]
        computed = max(worker[layout.SLOT_POSITION_SAMPLES], frontend[layout.SLOT_BASE_SAMPLES])
        due = computed + self._chunk_samples
        if head <= due:
            return 0.0
        behind_s = (head - due) / self._rate_hz
        took_s = (arrivals.of(head).received_ns - arrivals.of(due).received_ns) / 1e9
        return behind_s if took_s >= REAL_TIME_SHARE * behind_s else 0.0
