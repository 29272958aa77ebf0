"""A model server's side of one link: its streams, each in a slot of this machine. Pure.

A stream's audio goes straight into its slot's ring. Its link may send as much as the slot wants and
no more (`Credit`), so nothing has to be kept anywhere else, and a stream that is slow stops nobody.
Results go back in the order in which they come, with numbers that count from the stream's begin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from server.admission import Admission, MeasuredSlot, NoSlotError
from server.tiers.channel import ChannelError
from server.tiers.frames import Audio, Capacity, Credit, Frame, Full, Mark, Open, Release, Result
from shm.layout import PARTIALS_OF_ENGINE, PARTIALS_QUICK, PARTIALS_RARE
from shm.outbox import OutboxRecord
from shm.seal import CorruptRecordError

MAX_ORIGIN: Final = 1 << 48
"""Samples: some hundred years."""
_WISHES: Final = (PARTIALS_OF_ENGINE, PARTIALS_RARE, PARTIALS_QUICK)


class HostedStream:
    """A stream in its slot."""

    __slots__ = ("_finals", "_limit", "_partials", "_told", "number", "slot")

    def __init__(self, number: int, slot: MeasuredSlot) -> None:
        self.number = number
        self.slot = slot
        self._limit = 0
        self._finals = self._partials = 0
        self._told: tuple[int, int] | None = None

    def write(self, pcm: bytes) -> None:
        """Audio has come.

        Raises:
            ChannelError: more than it had credit for.
        """
        samples = np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)
        if self.slot.measured.received_samples + samples.shape[0] > self._limit:
            raise ChannelError("it sent more audio than it had credit for")
        self.slot.write_audio(samples)

    def mark(self) -> None:
        """A final is asked for.

        Raises:
            ChannelError: too many are being waited for.
        """
        if self.slot.free_marks <= 0:
            raise ChannelError("it asked for more finals at once than there can be")
        self.slot.write_mark()

    def credit(self) -> Credit | None:
        """What the link does not know yet of how much is wanted.

        What was granted is never taken back, also when a worker that died is replaced and its
        successor stands further behind: the ring has room for it.
        """
        measured = self.slot.measured
        wanted = measured.received_samples + max(0, measured.wanted_samples)
        self._limit = max(self._limit, wanted)
        position = min(measured.computed_samples, measured.received_samples)
        if (self._limit, position) == self._told:
            return None
        self._told = (self._limit, position)
        return Credit(self.number, self._limit, position)

    def take(self) -> Result | None:
        """The next result, if there is one.

        Raises:
            ChannelError: its session cannot go on here; its link begins it again elsewhere.
        """
        try:
            record = self.slot.take()
        except CorruptRecordError as error:
            raise ChannelError(f"stream {self.number} cannot go on: {error}") from error
        if record is None:
            return None
        if record.hypothesis.words:  # one without may be for nobody: only the session knows
            self._finals += record.hypothesis.is_final
            self._partials += not record.hypothesis.is_final
        self.slot.sent(self._finals, self._partials)
        return self._result(record)

    def _result(self, record: OutboxRecord) -> Result:
        resume, measured = record.resume, self.slot.measured
        return Result(
            stream=self.number,
            hypothesis=record.hypothesis,
            requested=record.requested,
            segment=resume.segment,
            sample=resume.sample - measured.base_sample,
            mark=resume.mark - measured.base_mark,
            partial_sample=resume.partial_sample - measured.base_sample,
        )


class Hosting:
    """The streams of one link."""

    __slots__ = ("_admission", "_can_send", "_last_number", "_send", "_told_free", "streams")

    def __init__(
        self,
        admission: Admission,
        free: int,
        send: Callable[[Frame], None],
        can_send: Callable[[], bool] = lambda: True,
    ) -> None:
        """``free`` is what the link has been told so far; ``can_send`` says whether it reads."""
        self._admission = admission
        self._send = send
        self._can_send = can_send
        self._told_free: int | None = free
        self._last_number = 0
        self.streams: dict[int, HostedStream] = {}

    def receive(self, frame: Frame, *, takes_more: bool) -> None:
        """A frame from the link. No stream is taken in unless this server ``takes_more``.

        Raises:
            ChannelError: it is none that a link sends now.
        """
        match frame:
            case Open():
                self._open(frame, takes_more=takes_more)
            case Audio(number, pcm):
                self._stream(number).write(pcm)
            case Mark(number):
                self._stream(number).mark()
            case Release(number):
                stream = self.streams.pop(number, None)
                if stream is not None:  # else it has just been refused
                    self._admission.release(stream.slot)
            case _:
                raise ChannelError(f"it sent a {type(frame).__name__}, which is not for it to send")

    def pump(self, free: int) -> None:
        """Sends what has become of the streams, and that ``free`` slots are left.

        Raises:
            ChannelError: see `HostedStream.take`.
        """
        for stream in self.streams.values():
            while self._can_send() and (result := stream.take()) is not None:
                self._send(result)
            credit = stream.credit()
            if credit is not None:
                self._send(credit)
        if free != self._told_free:
            self._told_free = free
            self._send(Capacity(free))

    def close(self) -> None:
        """The link is gone, and its streams with it."""
        for stream in self.streams.values():
            self._admission.release(stream.slot)
        self.streams.clear()

    def _open(self, frame: Open, *, takes_more: bool) -> None:
        if frame.stream <= self._last_number:
            raise ChannelError(f"it opened stream {frame.stream} after {self._last_number}")
        if frame.origin > MAX_ORIGIN or frame.partials not in _WISHES:
            raise ChannelError("it opened a stream as none can be")
        self._last_number = frame.stream
        self._told_free = None  # the link counts on one less until it is told, full or not
        slot = None
        if takes_more:
            try:
                slot = self._admission.claim(frame.origin, frame.partials)
            except NoSlotError:
                slot = None
        if slot is None:
            self._send(Full(frame.stream))
            return
        self.streams[frame.stream] = HostedStream(frame.stream, slot)

    def _stream(self, number: int) -> HostedStream:
        try:
            return self.streams[number]
        except KeyError:
            raise ChannelError(f"it sent for stream {number}, which is not open") from None
