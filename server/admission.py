"""Who gets a slot, and how long its audio and results take: the frontend's side of the figures.

Stands between the connections and the pool of slots, and between a session and its slot. It counts
and takes times; what is admitted, written and taken is decided by those around it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from server.capacity import Capacity
from shm import figures
from shm.arrivals import Arrivals
from shm.figures import MICRO, Block
from shm.frontend_slot import FrontendSlot
from shm.lateness import Lateness
from shm.layout import PARTIALS_OF_ENGINE
from shm.link_line import LinkLine
from shm.outbox import OutboxRecord
from shm.plane import Plane
from shm.process_line import ProcessLine
from shm.said import Said
from shm.slot_pool import SlotPool
from shm.trace import Trace

FULL: Final = "full"
OVERLOAD: Final = "overload"
FAILING: Final = "failing"
NO_MODEL_SERVER: Final = "no_model_server"
FINAL_LATE_NS: Final = 1_500_000_000
"""A requested final that is not there so long after its audio was: the second pass has a queue."""

ALWAYS: Final = 6
"""So many streams every machine is taken to hold: `loadtest --streams 6` tells whether it does."""
MODEL_SHARE: Final = 0.6
"""Of the streams that the model alone could keep up with, where it has its device for itself."""
SHARED_SHARE: Final = 0.4
"""The same, where a second pass needs the same cores."""


@dataclass(frozen=True, slots=True)
class _NoRoom:
    """Why there is none; it may be made by ending another stream."""

    reason: str
    message: str


ALL_IN_USE: Final = _NoRoom(FULL, "All streams are in use: try again later.")
OVERLOADED: Final = _NoRoom(
    OVERLOAD, "There are as many streams as this machine holds: try again later."
)


class NoSlotError(Exception):
    """There is no slot for a client now; the message says why, and what to do about it."""


class FrontendFigures:
    """What one frontend process counts."""

    def __init__(self, plane: Plane, index: int) -> None:
        block = Block(plane, "frontend", plane.layout.frontend_process(index))
        self.admitted = block.counter(figures.ADMITTED)
        self.refused = {
            reason: block.counter(figures.REFUSED, reason) for reason in figures.REFUSED.values
        }
        self.kept = {
            counter: block.counter(counter) for counter in (figures.RESUMED, figures.GIVEN_UP)
        }
        self.finals = block.counter(figures.FINALS)
        self.partials = block.counter(figures.PARTIALS)
        self.audio = block.counter(figures.AUDIO_RECEIVED)
        self.published_to_sent = block.histogram(figures.PUBLISHED_TO_SENT)
        self.done_to_final = block.histogram(figures.DONE_TO_FINAL)


class Doorkeeper(Protocol):
    """What a connection needs to be let in and out; see `Admission`."""

    def claim(self, *, make_room: Callable[[], bool]) -> MeasuredSlot: ...
    def count(self, counter: figures.Counter) -> None: ...
    def release(self, slot: MeasuredSlot) -> None: ...
    def refuse(self, reason: str) -> None: ...
    def look_at_the_clock(self) -> None: ...


def capacity_of(plane: Plane) -> Capacity | None:
    """By what its workers have measured at their start; None where there are none.

    Call it when they are ready.
    """
    geometry, offsets = plane.geometry, plane.layout
    lines = [ProcessLine(plane, offsets.worker_process(i)) for i in range(geometry.workers)]
    streams = sum(line.streams for line in lines)
    if streams == 0:
        return None
    shared = geometry.second_passes > 0 and any(line.device == "cpu" for line in lines)
    share = SHARED_SHARE if shared else MODEL_SHARE
    return Capacity(int(share * streams), geometry.slots, ALWAYS)


class Admission:
    """A pool of slots that counts whom it lets in.

    Where the model is on other machines, no more are let in than these have room for; where it is
    on this one, no more than ``capacity`` says, if there is one.
    """

    def __init__(
        self,
        plane: Plane,
        pool: SlotPool,
        counted: FrontendFigures,
        capacity: Capacity | None = None,
    ) -> None:
        self._plane = plane
        self._pool = pool
        self._figures = counted
        self._capacity = capacity
        self._lateness = Lateness(plane)
        self._let_in: set[MeasuredSlot] = set()
        self._link = LinkLine(plane)

    def claim(
        self,
        origin_samples: int = 0,
        partials: int = PARTIALS_OF_ENGINE,
        make_room: Callable[[], bool] = lambda: False,
    ) -> MeasuredSlot:
        """A free slot with a fresh session; the first arguments are those of `SlotPool.claim`.

        ``make_room`` is asked to free one when there is none, and says whether it has.

        Raises:
            NoSlotError: every slot is held, or there is nobody who could serve it.
        """
        while isinstance(slot := self._free_slot(origin_samples, partials), _NoRoom):
            if not make_room():
                self._refuse_for(slot.reason, slot.message)
        self._figures.admitted.add()
        measured = self._measured(slot)
        if self._capacity is not None:
            self._capacity.let_in(self._lateness.held, time.monotonic())
        return measured

    def find(self) -> list[MeasuredSlot]:
        """The sessions of this process that nobody holds; see `SlotPool.find`."""
        return [self._measured(slot) for slot in self._pool.find()]

    def take(self, slot: int, epoch: int) -> MeasuredSlot | None:
        """A session that nobody holds; see `SlotPool.take`."""
        taken = self._pool.take(slot, epoch)
        return None if taken is None else self._measured(taken)

    def let_go(self, slot: MeasuredSlot) -> None:
        """See `SlotPool.let_go`."""
        self._let_in.discard(slot)
        self._pool.let_go(slot.measured)

    def client_in(self, slot: int) -> tuple[int, bytes] | None:
        """See `SlotPool.client_in`."""
        return self._pool.client_in(slot)

    def holds(self, slot: int) -> bool:
        """Whether a session in that slot is this process's."""
        return self._pool.holds(slot)

    def is_open(self, slot: int, epoch: int) -> bool:
        """See `SlotPool.is_open`."""
        return self._pool.is_open(slot, epoch)

    def release(self, slot: MeasuredSlot) -> None:
        """Ends the session at once: what was not finalised is dropped with it."""
        self._let_in.discard(slot)
        self._pool.release(slot.measured)

    def look_at_the_clock(self) -> None:
        """Once in a while: whether those who were let in fall behind."""
        if self._capacity is not None:
            now_ns = time.monotonic_ns()
            late = self._lateness.is_late or any(s.final_is_late(now_ns) for s in self._let_in)
            self._capacity.observe(self._lateness.held, now_ns / 1e9, late=late)

    def refuse(self, reason: str) -> None:
        """A client is sent away; ``reason`` is one of `shm.figures.REFUSED`."""
        self._figures.refused[reason].add()

    def count(self, counter: figures.Counter) -> None:
        """A session was come back to, or given up: `figures.RESUMED` or `GIVEN_UP`."""
        self._figures.kept[counter].add()

    def _measured(self, slot: FrontendSlot) -> MeasuredSlot:
        arrivals = Arrivals(self._plane, slot.slot)
        measured = MeasuredSlot(slot, arrivals, self._figures, self._plane)
        self._let_in.add(measured)
        return measured

    def _refuse_for(self, reason: str, message: str) -> NoReturn:
        self.refuse(reason)
        raise NoSlotError(message)

    def _free_slot(self, origin_samples: int, partials: int) -> FrontendSlot | _NoRoom:
        """A slot, unless this machine holds no more, or the model servers, if there are any.

        They may say otherwise later: a stream that was let in then waits for its slot there.
        Where nobody could be served, room would be of no use: that is refused here.
        """
        if self._plane.failing:
            self._refuse_for(FAILING, "The engine cannot be kept running: try again later.")
        if self._capacity is not None:
            held, now_s = self._lateness.held, time.monotonic()
            if not self._capacity.admits(held, now_s):
                if not self._capacity.admits(held - 1, now_s):
                    self._refuse_for(OVERLOADED.reason, OVERLOADED.message)
                return OVERLOADED
        link = self._link.view()
        if link is not None:
            if link.servers == 0:
                self._refuse_for(NO_MODEL_SERVER, "No model server is connected: try again later.")
            if self._lateness.held >= link.capacity:
                return ALL_IN_USE
        return self._pool.claim(origin_samples, partials) or ALL_IN_USE


class MeasuredSlot:
    """A session's slot; see `server.session.Slot` and `shm.frontend_slot.FrontendSlot`."""

    __slots__ = (
        "_arrivals",
        "_asked_ns",
        "_figures",
        "_rate_hz",
        "_received_ns",
        "_sent",
        "_taken",
        "measured",
    )

    def __init__(
        self, slot: FrontendSlot, arrivals: Arrivals, counted: FrontendFigures, plane: Plane
    ) -> None:
        self.measured = slot
        self._arrivals = arrivals
        self._figures = counted
        self._rate_hz = plane.geometry.sample_rate_hz
        self._asked_ns: dict[int, int] = {}  # by mark, of those of ours without their final
        self._sent = (0, 0)
        self._received_ns = 0
        # What was taken since `sent`: its mark, if it was requested, and its times.
        self._taken: list[tuple[int | None, tuple[int, ...]]] = []
        arrivals.begin(slot.audio_head, time.monotonic_ns())

    @property
    def slot(self) -> int:
        return self.measured.slot

    @property
    def epoch(self) -> int:
        return self.measured.epoch

    @property
    def wanted_samples(self) -> int:
        return self.measured.wanted_samples

    @property
    def free_marks(self) -> int:
        return self.measured.free_marks

    @property
    def said(self) -> Said:
        return self.measured.said

    def introduce(self, client: bytes) -> None:
        self.measured.introduce(client)

    def audio_begins(self, header_bytes: int) -> None:
        self.measured.audio_begins(header_bytes)

    def final_is_late(self, now_ns: int) -> bool:
        """Whether a final was asked for long ago, though all audio has been computed since."""
        return (
            bool(self._asked_ns)
            and now_ns - next(iter(self._asked_ns.values())) > FINAL_LATE_NS
            and self.measured.computed_samples >= self.measured.received_samples
        )

    def received(self) -> None:
        """Bytes have come from the client; what is written next was in them, or before them."""
        self._received_ns = time.monotonic_ns()

    def write_audio(self, samples: NDArray[np.int16]) -> None:
        head, count = self.measured.audio_head, samples.shape[0]
        now_ns = time.monotonic_ns()
        self._arrivals.note(head, head + count, self._received_ns or now_ns, now_ns)
        self.measured.write_audio(samples)
        self._figures.audio.add(count * MICRO // self._rate_hz)

    def write_mark(self, received_bytes: int = 0, dones: int = 0, *, is_last: bool = False) -> None:
        self.measured.write_mark(received_bytes, dones, is_last=is_last)
        self._asked_ns[self.measured.marks_set] = time.monotonic_ns()

    def answers_last(self, record: OutboxRecord) -> bool:
        return self.measured.answers_last(record)

    def take(self) -> OutboxRecord | None:
        record = self.measured.take()
        if record is not None:
            mark = record.resume.mark - self.measured.base_mark if record.requested else None
            self._taken.append((mark, self.measured.taken_times_ns))
        return record

    def sent(self, finals: int, partials: int) -> None:
        """What was taken is with the socket, if it made a message; so many of the session's
        answers have been by now.
        """
        if self._taken:
            self._count(time.monotonic_ns())
        finals_before, partials_before = self._sent
        self._sent = (finals, partials)
        self._figures.finals.add(finals - finals_before)
        self._figures.partials.add(partials - partials_before)

    def kept(self) -> None:
        """What was taken waits for a client that has gone: no latency of the engine's."""
        for mark, _ in self._taken:
            if mark is not None:
                self._asked_ns.pop(mark, None)
        self._taken.clear()

    def _count(self, now_ns: int) -> None:
        counted = self._figures
        for mark, times_ns in self._taken:
            trace = Trace._make((*times_ns, now_ns))
            counted.published_to_sent.add((now_ns - trace.published_ns) // 1000)
            if mark in self._asked_ns:  # no predecessor of this process was asked for it
                counted.done_to_final.add((now_ns - self._asked_ns.pop(mark)) // 1000)
            if trace.received_ns:
                self.measured.leave_trace(trace)
        self._taken.clear()
