"""One client's session: what arrives, what is answered, when it is over. Pure.

The connection hands in messages and sends what is put out; the session knows nothing of sockets,
tasks or clocks. Audio goes header -> resampler -> slot; results come back from the slot in order.
Whatever does not fit the slot waits in a backlog, and `blocked` tells the connection to stop
reading: the client is slowed by TCP and nothing is dropped (rule R8).

    open      audio and `done` are taken
    ending    the client closed, or did what a stream cannot go on from: what was heard is finalised
    finished  the last final is out; `closing` says with which code the connection ends
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from server import messages
from server.adoption import Position
from server.deliveries import Deliveries
from server.handshake import Parameters, max_message_bytes
from server.resampler import Resampler
from server.text2int import convert
from server.wav import WavError, WavHeaderSkipper
from shm.outbox import OutboxRecord
from shm.records import Hypothesis
from shm.said import Said
from shm.seal import CorruptRecordError

DONE: Final = "done"
NORMAL_CLOSURE: Final = 1000
GOING_AWAY: Final = 1001
INVALID_DATA: Final = 1007
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011


class Slot(Protocol):
    """What a session needs of its slot; see `shm.frontend_slot.FrontendSlot`."""

    @property
    def wanted_samples(self) -> int: ...
    @property
    def free_marks(self) -> int: ...
    @property
    def said(self) -> Said: ...
    def audio_begins(self, header_bytes: int) -> None: ...
    def write_audio(self, samples: NDArray[np.int16]) -> None: ...
    def write_mark(self, received_bytes: int, dones: int, *, is_last: bool) -> None: ...
    def take(self) -> OutboxRecord | None: ...  # or raises CorruptRecordError
    def answers_last(self, record: OutboxRecord) -> bool: ...


@dataclass(frozen=True, slots=True)
class Mark:
    """A final is asked for, of what was received until then.

    By ``done`` it is answered even when no words were heard. If it is the last one it is sent if it
    holds words, and the session is finished.
    """

    received_bytes: int
    dones: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Closing:
    """How the connection ends: after ``notice``, if any, with a close code and its reason."""

    code: int
    reason: str
    notice: bytes | None = None


class Session:
    """The state of one connection between handshake and close."""

    __slots__ = (
        "_backlog",
        "_deliveries",
        "_has_audio",
        "_limit_bytes",
        "_outgoing",
        "_parameters",
        "_partial_stands",
        "_resampler",
        "_slot",
        "_surplus",
        "_token",
        "_wav",
        "_winds_down",
        "_words_awaited",
        "closing",
        "finals",
        "finished",
        "id",
        "partials",
        "received_bytes",
        "received_dones",
    )

    def __init__(
        self,
        slot: Slot,
        parameters: Parameters,
        model_rate_hz: int,
        token: str | None = None,
        found: Position | None = None,
        session_id: str | None = None,
    ) -> None:
        """With ``token`` its client may come back to it, see `come_back`.

        Where another process began it, ``found`` says how far it has come, and its
        ``session_id`` is the one of then.
        """
        begun = found or Position(0, 0, 0)
        self._slot = slot
        self._parameters = parameters
        self._limit_bytes = max_message_bytes(parameters.sample_rate_hz)
        self._has_audio = begun.has_begun
        self._wav = WavHeaderSkipper(parameters.sample_rate_hz, has_begun=self._has_audio)
        self._resampler = Resampler(parameters.sample_rate_hz, model_rate_hz)
        self._backlog: deque[NDArray[np.int16] | Mark] = deque()
        self._surplus = begun.surplus
        self.id = session_id or messages.new_id()
        """The ``msgId`` of its ready message: the session's name in the log."""
        self._token = token
        self._deliveries = None if token is None else Deliveries(slot.said, token)
        self.received_bytes = begun.audio_bytes
        self.received_dones = begun.dones
        """Bytes of audio messages and `done` messages: how far the stream was taken in."""
        self._outgoing: list[bytes] = [] if found else [self._ready(self.id)]
        self._words_awaited = self._has_audio
        """Whether audio has come since the last final."""
        self._partial_stands = False
        """Whether the utterance has a partial with words, and no final yet."""
        self._winds_down: Closing | None = None
        self.closing: Closing | None = None
        self.finished = False
        self.finals = 0
        self.partials = 0
        """Answers put out so far, of either kind."""

    @property
    def blocked(self) -> bool:
        """Whether the slot has no room for what has arrived: stop reading."""
        return bool(self._backlog)

    def outgoing(self) -> list[bytes]:
        """Takes the messages to send now, in order."""
        ready, self._outgoing = self._outgoing, []
        return ready

    @property
    def resumable(self) -> bool:
        """Whether a client that comes back finds everything: it goes on, and nothing is missing."""
        return (
            self._deliveries is not None
            and not self._deliveries.incomplete
            and self.closing is None
        )

    @property
    def said(self) -> int:
        """How many messages there have been; a ping behind them asks whether they arrived."""
        return 0 if self._deliveries is None else self._deliveries.said

    def arrived(self, said: int) -> None:
        """The client has answered a ping that was sent when there had been so many messages."""
        if self._deliveries is not None:
            self._deliveries.confirm(said)

    def come_back(self, last_message_id: str | None) -> None:
        """A new connection: ``ready`` says what was received, then comes what was not."""
        assert self._deliveries is not None
        again = self._deliveries.after(last_message_id)
        self._outgoing = [self._ready(messages.new_id()), *again]

    def receive_audio(self, data: bytes) -> None:
        """A binary message."""
        if self.closing is not None:
            return
        if len(data) > self._limit_bytes:
            notice = messages.rate_limited(self._limit_bytes)
            self._end(Closing(MESSAGE_TOO_BIG, "message too big", notice))
            return
        if len(data) % 2:
            notice = messages.odd_byte_count(len(data))
            self._end(Closing(INVALID_DATA, "odd number of bytes", notice))
            return
        try:
            audio = self._wav.feed(data)
        except WavError as error:
            self._end(Closing(INVALID_DATA, "wrong audio format", messages.error(str(error))))
            return
        self.received_bytes += len(data)
        self._words_awaited = True
        self._queue_audio(audio)
        self.pump()

    def receive_text(self, text: str) -> None:
        """A text message."""
        if self.closing is not None:
            return
        if text != DONE:
            self._say(messages.unknown_text(text, self._next_id()))
            return
        self.received_dones += 1
        self._queue_mark(is_last=False)
        self.pump()

    def receive_undecodable_text(self) -> None:
        """A text message that is no text. RFC 6455 lets no stream go on from it."""
        notice = messages.error('Text messages are UTF-8, the only one is "done"')
        self._end(Closing(INVALID_DATA, "text messages are UTF-8", notice))

    def receive_oversized(self) -> None:
        """A message too large to be read at all."""
        notice = messages.rate_limited(self._limit_bytes)
        self._end(Closing(MESSAGE_TOO_BIG, "message too big", notice))

    def end(
        self, code: int = NORMAL_CLOSURE, reason: str = "", notice: bytes | None = None
    ) -> None:
        """No more audio will come: the client closed, or is let go, or the server stops.

        ``notice`` is what the client is told behind its last final.
        """
        self._end(Closing(code, reason, notice))

    def wind_down(self, code: int, reason: str) -> None:
        """The server stops soon: the stream ends with its utterance, now if there is none."""
        self._winds_down = Closing(code, reason)
        self.pump()

    def pump(self) -> None:
        """Moves what waits into the slot and takes the results that have come."""
        while self._backlog and self._fits(self._backlog[0]):
            self._hand_over(self._backlog.popleft())
        try:
            while not self.finished and (record := self._slot.take()) is not None:
                self._answer(record)
        except CorruptRecordError as error:
            self._break(error)
        if self._winds_down is not None and not self._words_awaited:
            self._end(self._winds_down)

    def _break(self, error: CorruptRecordError) -> None:
        """No more results will come, so none is waited for."""
        notice = messages.engine_lost(str(error))
        self.closing = Closing(INTERNAL_ERROR, "the engine lost the stream", notice)
        self._outgoing.append(notice)
        self._backlog.clear()
        self.finished = True

    def _end(self, closing: Closing) -> None:
        if self.closing is None:
            self.closing = closing
            self._queue_mark(is_last=True)
            self.pump()

    def _queue_mark(self, *, is_last: bool) -> None:
        """An utterance ends: what header skipper and resampler still hold belongs to it."""
        self._queue_audio(self._wav.flush())
        self._queue_samples(self._resampler.flush())
        self._surplus = 0
        self._backlog.append(Mark(self.received_bytes, self.received_dones, is_last))

    def _queue_audio(self, audio: bytes) -> None:
        if audio and not self._has_audio:
            self._has_audio = True
            self._slot.audio_begins(self.received_bytes - len(audio))
        self._queue_samples(self._resampler.feed(audio))

    def _queue_samples(self, samples: NDArray[np.int16]) -> None:
        again = min(self._surplus, samples.shape[0])
        self._surplus -= again
        if again < samples.shape[0]:
            self._backlog.append(samples[again:])

    def _fits(self, item: NDArray[np.int16] | Mark) -> bool:
        if isinstance(item, Mark):
            return self._slot.free_marks > 0
        return item.shape[0] <= self._slot.wanted_samples

    def _hand_over(self, item: NDArray[np.int16] | Mark) -> None:
        if isinstance(item, Mark):
            self._slot.write_mark(item.received_bytes, item.dones, is_last=item.is_last)
        else:
            self._slot.write_audio(item)

    def _answer(self, record: OutboxRecord) -> None:
        is_last = self._slot.answers_last(record)
        hypothesis = record.hypothesis
        self._words_awaited &= not hypothesis.is_final
        if hypothesis.words or (record.requested and not is_last):
            self._tell(hypothesis)
        elif hypothesis.is_final and self._partial_stands:
            # Its words were none. A final without words answers a `done`, so a partial takes them
            # back: whoever shows partials would show them until the next utterance.
            self._tell(Hypothesis((), 0.0, is_final=False))
        if is_last and self.closing is not None:  # else its client has come back from there
            if self.closing.notice is not None:
                self._outgoing.append(self.closing.notice)
            self.finished = True

    def _tell(self, hypothesis: Hypothesis) -> None:
        self._partial_stands = bool(hypothesis.words) and not hypothesis.is_final
        message = messages.hypothesis(self._written(hypothesis), self._next_id())
        self._say(message, passes=not hypothesis.is_final)
        self.finals += hypothesis.is_final
        self.partials += not hypothesis.is_final

    def _next_id(self) -> str:
        return messages.new_id() if self._deliveries is None else self._deliveries.next_id()

    def _say(self, message: bytes, *, passes: bool = False) -> None:
        self._outgoing.append(message)
        if self._deliveries is not None:
            self._deliveries.add(message, passes=passes)

    def _ready(self, message_id: str) -> bytes:
        if self._token is None:
            return messages.ready(message_id)
        return messages.ready_to_come_back(
            message_id, self._token, self.received_bytes, self.received_dones
        )

    def _written(self, hypothesis: Hypothesis) -> Hypothesis:
        if not self._parameters.text2int:
            return hypothesis
        words = convert(hypothesis.words)
        return Hypothesis(words, hypothesis.confidence, hypothesis.is_final)
