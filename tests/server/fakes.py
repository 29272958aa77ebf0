"""Stand-ins for what a session and a connection live on: slot, pool, event loop and transport.

They keep the contracts of the real ones and fail where those would: a slot that is overfilled, a
transport that is written to after its end, a slot that is released twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.admission import NoSlotError
from shm.figures import REFUSED, Counter
from shm.layout import LINE_BYTES, SAID_BYTES
from shm.outbox import OutboxRecord, ResumePoint
from shm.records import Hypothesis, Word
from shm.said import Said
from shm.seal import CorruptRecordError

RING_SAMPLES: Final = 1 << 17
MARKS: Final = 16
MARK: Final = "mark"


def words_of(text: str) -> tuple[Word, ...]:
    """A word every 100 ms."""
    return tuple(
        Word(word, 0.5, 100 * index, 100 * index + 80, stable=True)
        for index, word in enumerate(text.split())
    )


class FakeSlot:
    """A bounded slot and, behind it, an engine that answers when a test says so."""

    def __init__(self, ring_samples: int = RING_SAMPLES, marks: int = MARKS, slot: int = 0) -> None:
        self.slot = slot
        self.history: list[int | str] = []
        self.unanswered = 0
        self.fault: str | None = None
        self.told_sent = (0, 0)
        self._ring_samples = ring_samples
        self._mark_records = marks
        self._last_marks: deque[bool] = deque()
        self.header_bytes: int | None = None
        line = memoryview(bytearray(LINE_BYTES)).cast("Q")
        self.said = Said(line, memoryview(bytearray(SAID_BYTES)))
        self.said.begin(0)
        self._held_samples = 0
        self._results: deque[OutboxRecord] = deque()

    # -- the session's side

    @property
    def wanted_samples(self) -> int:
        return self._ring_samples - self._held_samples

    @property
    def free_marks(self) -> int:
        return self._mark_records - self.unanswered

    def write_audio(self, samples: NDArray[np.int16]) -> None:
        assert 0 < samples.shape[0] <= self.wanted_samples, "audio is never dropped"
        self._held_samples += samples.shape[0]
        self.history += samples.tolist()

    def introduce(self, client: bytes) -> None:
        """For a successor; see `server.adoption`."""

    def audio_begins(self, header_bytes: int) -> None:
        assert self.header_bytes is None, "it begins once"
        self.header_bytes = header_bytes

    def write_mark(self, received_bytes: int, dones: int, *, is_last: bool) -> None:
        assert self.free_marks > 0, "marks are never dropped"
        assert received_bytes % 2 == 0
        assert dones <= self.history.count(MARK) + 1
        self.unanswered += 1
        self._last_marks.append(is_last)
        self.history.append(MARK)

    def received(self) -> None:
        """Bytes have come; only a measured slot takes the time."""

    def answers_last(self, record: OutboxRecord) -> bool:
        return record.requested and self._last_marks.popleft()

    def kept(self) -> None:
        """Results wait for a client; only a measured slot counts none of it."""

    def sent(self, finals: int, partials: int) -> None:
        self.told_sent = (finals, partials)

    def take(self) -> OutboxRecord | None:
        if self._results:
            return self._results.popleft()
        if self.fault is not None:
            raise CorruptRecordError(self.fault)
        return None

    # -- the engine's side

    @property
    def audio(self) -> list[int]:
        """The samples written so far."""
        return [entry for entry in self.history if isinstance(entry, int)]

    def partial(self, text: str) -> None:
        self._put(text, is_final=False, requested=False)

    def endpoint(self, text: str) -> None:
        """The utterance ended by itself; all its audio is settled."""
        self._held_samples = 0
        self._put(text, is_final=True, requested=False)

    def answer(self, text: str = "") -> None:
        """The final of the oldest mark; all audio is settled."""
        assert self.unanswered > 0
        self.unanswered -= 1
        self._held_samples = 0
        self._put(text, is_final=True, requested=True)

    def _put(self, text: str, *, is_final: bool, requested: bool) -> None:
        hypothesis = Hypothesis(words_of(text), 0.5, is_final)
        self._results.append(OutboxRecord(1, hypothesis, requested, ResumePoint(0, 0, 0, 0, 0)))


class FakePool:
    """`Admission` over fake slots."""

    def __init__(self, slots: int = 1, ring_samples: int = RING_SAMPLES) -> None:
        self.free = [FakeSlot(ring_samples, slot=number) for number in range(slots)]
        self.held: list[FakeSlot] = []
        self.refused: list[str] = []
        self.counted: list[Counter] = []

    def claim(self, *, make_room: Callable[[], bool] = lambda: False) -> FakeSlot:
        if not self.free and not make_room():
            self.refuse("full")
            raise NoSlotError("All streams are in use: try again later.")
        self.held.append(self.free.pop())
        return self.held[-1]

    def refuse(self, reason: str) -> None:
        assert reason in REFUSED.values
        self.refused.append(reason)

    def look_at_the_clock(self) -> None:
        """Nobody falls behind."""

    def count(self, counter: Counter) -> None:
        self.counted.append(counter)

    def release(self, slot: FakeSlot) -> None:
        self.held.remove(slot)
        self.free.append(slot)


@dataclass(order=True, slots=True)
class FakeTimer:
    """What `call_later` returns."""

    due_s: float
    number: int
    call: Callable[[], object] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """An event loop whose clock moves when a test says so."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._timers: list[FakeTimer] = []

    def time(self) -> float:
        return self._now_s

    def call_later(self, delay_s: float, call: Callable[..., object], *args: object) -> FakeTimer:
        timer = FakeTimer(self._now_s + delay_s, len(self._timers), lambda: call(*args))
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Runs what falls due meanwhile, in order."""
        end_s = self._now_s + seconds
        while due := [t for t in self._timers if not t.cancelled and t.due_s <= end_s]:
            timer = min(due)
            timer.cancelled = True
            self._now_s = timer.due_s
            timer.call()
        self._now_s = end_s


class FakeTransport(asyncio.Transport):
    """Collects what is written; refuses what asyncio's or uvloop's transports refuse."""

    def __init__(self, *, tls: bool = False, address: str = "192.0.2.1") -> None:
        super().__init__({"peername": (address, 50_000)})
        self.sent = bytearray()
        self.unsent_bytes = 0
        self.eof_written = False
        self.closed = False
        self.aborted = False
        self.reading = True
        self._tls = tls

    @property
    def ended(self) -> bool:
        """Whether the client will see the end of the stream."""
        return self.eof_written or self.closed

    def write(self, data: Any) -> None:
        if self.ended:
            raise RuntimeError("written to after the end")
        self.sent += data

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def can_write_eof(self) -> bool:
        return not self._tls

    def write_eof(self) -> None:
        if self.ended or self._tls:
            raise RuntimeError("no end can be written")
        self.eof_written = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self._change_reading(reading=False)

    def resume_reading(self) -> None:
        self._change_reading(reading=True)

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def _change_reading(self, *, reading: bool) -> None:
        if self.closed or self.reading == reading:
            raise RuntimeError("reading cannot be changed now")
        self.reading = reading
