"""How a frontend goes on with the sessions of one that died: what it must know of each. Pure.

A dead frontend's slots are as it left them. Of what was in its own memory, three things are needed
to go on as if nothing had happened to a client that comes back: who it is (a sheet in the plane,
written when the session begins), what it has been told (`shm.said`), and how much of its audio has
been received. That is not written down message by message: it follows from how many samples are in
the ring since the resampler began afresh, at the session's start or its newest mark, where the
client's bytes were noted. A resampler needs to hear a little of what came before, so the client is
asked for some 60 to 120 ms again, and what comes out of them twice is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from server.handshake import Parameters
from server.resampler import Resampler
from shm.frontend_slot import NewestMark

_SAMPLE_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Client:
    """Whose session it is. ``session_id`` is its name in the log."""

    token: str
    parameters: Parameters
    address: str
    session_id: str

    def to_bytes(self) -> bytes:
        return orjson.dumps(self)

    @staticmethod
    def from_bytes(sheet: bytes) -> Client:
        fields: dict[str, Any] = orjson.loads(sheet)
        return Client(**{**fields, "parameters": Parameters(**fields["parameters"])})


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a client's stream has been received: so many bytes and `done` messages.

    Of the audio that follows, the first ``surplus`` samples (at the model's rate) are in the ring
    already.
    """

    audio_bytes: int
    dones: int
    surplus: int

    @property
    def has_begun(self) -> bool:
        """Whether the first of the audio, and a header before it, are behind it."""
        return self.audio_bytes > 0 or self.surplus > 0


class LeftOpen(Protocol):
    """A slot with a session whose frontend has died; see `shm.frontend_slot.FrontendSlot`."""

    @property
    def audio_head(self) -> int: ...
    @property
    def base_sample(self) -> int: ...
    @property
    def header_bytes(self) -> int: ...
    @property
    def marks_set(self) -> int: ...
    def newest_mark(self) -> NewestMark: ...


def position_of(slot: LeftOpen, sample_rate_hz: int, model_rate_hz: int) -> Position | None:
    """Where the session goes on; None where its client had sent nothing to keep.

    The client sends at ``sample_rate_hz``. One that had closed it comes back to what it then heard.
    """
    if slot.audio_head == slot.base_sample:
        return None if slot.marks_set else Position(0, 0, 0)
    sample, received_bytes, dones = slot.base_sample, slot.header_bytes, 0
    if slot.marks_set:
        mark = slot.newest_mark()
        # No sample may have come before that mark, only after it a header.
        sample, received_bytes = mark.sample, max(mark.received_bytes, received_bytes)
        dones = mark.dones
    restart = Resampler.restart(slot.audio_head - sample, sample_rate_hz, model_rate_hz)
    return Position(received_bytes + _SAMPLE_BYTES * restart.begin, dones, restart.surplus)
