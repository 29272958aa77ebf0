"""Who gets a slot, and how long its audio and results take: the frontend's side of the figures.

Stands between the connections and the pool of slots, and between a session and its slot. It counts
and takes times; what is admitted, written and taken is decided by those around it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shm import figures
from shm.arrivals import Arrivals
from shm.figures import MICRO, Block
from shm.frontend_slot import FrontendSlot, SlotPool
from shm.outbox import OutboxRecord
from shm.plane import Plane

FULL: Final = "full"


class FrontendFigures:
    """What one frontend process counts."""

    def __init__(self, plane: Plane, index: int) -> None:
        block = Block(plane, "frontend", plane.layout.frontend_process(index))
        self.admitted = block.counter(figures.ADMITTED)
        self.refused = {
            reason: block.counter(figures.REFUSED, reason) for reason in figures.REFUSED.values
        }
        self.finals = block.counter(figures.FINALS)
        self.partials = block.counter(figures.PARTIALS)
        self.audio = block.counter(figures.AUDIO_RECEIVED)
        self.decoded_to_sent = block.histogram(figures.DECODED_TO_SENT)
        self.done_to_final = block.histogram(figures.DONE_TO_FINAL)


class Admission:
    """A pool of slots that counts whom it lets in."""

    def __init__(self, plane: Plane, pool: SlotPool, counted: FrontendFigures) -> None:
        self._plane = plane
        self._pool = pool
        self._figures = counted

    def claim(self) -> MeasuredSlot | None:
        """A free slot with a fresh session, or None when every slot is held."""
        slot = self._pool.claim()
        if slot is None:
            self.refuse(FULL)
            return None
        self._figures.admitted.add()
        return MeasuredSlot(slot, Arrivals(self._plane, slot.slot), self._figures, self._plane)

    def release(self, slot: MeasuredSlot) -> None:
        """Ends the session at once: what was not finalised is dropped with it."""
        self._pool.release(slot.measured)

    def refuse(self, reason: str) -> None:
        """A client is sent away; ``reason`` is one of `shm.figures.REFUSED`."""
        self._figures.refused[reason].add()


class MeasuredSlot:
    """A session's slot; see `server.session.Slot` and `shm.frontend_slot.FrontendSlot`."""

    __slots__ = ("_arrivals", "_asked_ns", "_figures", "_rate_hz", "measured")

    def __init__(
        self, slot: FrontendSlot, arrivals: Arrivals, counted: FrontendFigures, plane: Plane
    ) -> None:
        self.measured = slot
        self._arrivals = arrivals
        self._figures = counted
        self._rate_hz = plane.geometry.sample_rate_hz
        self._asked_ns: deque[int] = deque()  # as many as there are marks without their final
        arrivals.begin(slot.audio_head, time.monotonic_ns())

    @property
    def slot(self) -> int:
        return self.measured.slot

    @property
    def wanted_samples(self) -> int:
        return self.measured.wanted_samples

    @property
    def free_marks(self) -> int:
        return self.measured.free_marks

    def write_audio(self, samples: NDArray[np.int16]) -> None:
        head, count = self.measured.audio_head, samples.shape[0]
        self._arrivals.note(head, head + count, time.monotonic_ns())
        self.measured.write_audio(samples)
        self._figures.audio.add(count * MICRO // self._rate_hz)

    def write_mark(self) -> None:
        self._asked_ns.append(time.monotonic_ns())
        self.measured.write_mark()

    def take(self) -> OutboxRecord | None:
        record = self.measured.take()
        if record is not None:
            self._count(record, time.monotonic_ns())
        return record

    def _count(self, record: OutboxRecord, now_ns: int) -> None:
        counted = self._figures
        counted.decoded_to_sent.add((now_ns - self.measured.taken_stamp_ns) // 1000)
        if record.requested:
            counted.done_to_final.add((now_ns - self._asked_ns.popleft()) // 1000)
        if not record.hypothesis.is_final:
            counted.partials.add()
        elif record.requested or record.hypothesis.words:
            counted.finals.add()
