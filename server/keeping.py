"""Sessions that outlive their connection: who may come back to which, and for how long. Pure.

A client that asks for it (``session=new``) gets a token. When its connection breaks without a close
frame, the session stays: slot, resampler and rings as they were, results taken and kept. The client
that brings the token goes on with it; nobody does within `keep_s`, it is given up. A token is a
secret of 192 random bits, found by a table, and its slot, by which other processes find it.

Kept sessions hold slots. One that has been alone for `GRACE_S` makes room, the longest alone first,
when the server is full. So there are never more than slots.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from server.admission import MeasuredSlot
from server.handshake import Parameters
from server.session import Session

TOKEN_BYTES: Final = 24
_NUMBER: Final = re.compile("[0-9]{1,4}")
GRACE_S: Final = 5.0
"""A client whose network has a hiccup is back by then."""


class Holder(Protocol):
    """The connection that a session has now."""

    def hand_over(self) -> None: ...


@dataclass(slots=True, eq=False)
class Stream:
    """A session in its slot. ``token`` None: it ends with its connection."""

    session: Session
    slot: MeasuredSlot
    parameters: Parameters
    address: str = ""
    """Of the client that began it."""
    token: str | None = None
    holder: Holder | None = None
    alone_since_s: float = 0.0


def slot_of(token: str) -> int | None:
    """Where the session of a token is; None for what is no token."""
    number = token.rpartition(".")[2]
    return int(number) if _NUMBER.fullmatch(number) else None


class NotTheSameError(Exception):
    """The session was begun with other parameters: those of the attribute."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self.parameters = parameters


class Keeping:
    """The sessions of one process that may be come back to, by token.

    ``give_up`` is called with a stream whose time is over; ``keep_s`` 0: there are none.
    """

    def __init__(self, keep_s: float, give_up: Callable[[Stream], None]) -> None:
        self.keep_s = keep_s
        self._give_up = give_up
        self._streams: dict[str, Stream] = {}
        self._alone: dict[str, Stream] = {}  # the longest alone first

    def new_token(self, slot: int) -> str | None:
        """A token for a session that begins in ``slot``, None where none are kept."""
        return f"{secrets.token_urlsafe(TOKEN_BYTES)}.{slot}" if self.keep_s else None

    def add(self, stream: Stream) -> None:
        """A stream with a token has begun."""
        assert stream.token is not None, "nobody could come back to it"
        self._streams[stream.token] = stream

    def find(self, stream: Stream, now_s: float) -> None:
        """A stream with a token that another process began: nobody is connected to it."""
        self.add(stream)
        self.leave_alone(stream, now_s)

    def come_back(self, token: str, parameters: Parameters, holder: Holder) -> Stream | None:
        """The session of ``token``, held by ``holder`` from now on; None if there is none.

        A connection that still has it loses it: its client knows better whether it is broken.

        Raises:
            NotTheSameError: it has other parameters.
        """
        stream = self._streams.get(token)
        if stream is None or not stream.session.resumable:
            return None
        if stream.parameters != parameters:
            raise NotTheSameError(stream.parameters)
        if stream.holder is not None:
            stream.holder.hand_over()
        self._alone.pop(token, None)
        stream.holder = holder
        return stream

    def leave_alone(self, stream: Stream, now_s: float) -> bool:
        """The stream's connection is broken: whether its session stays."""
        if stream.token not in self._streams or not stream.session.resumable:
            return False
        stream.holder = None
        stream.alone_since_s = now_s
        self._alone[stream.token] = stream
        return True

    def in_slot(self, slot: int, epoch: int) -> Stream | None:
        """The stream of that session, if its client may come back to it."""
        for stream in self._streams.values():
            if (stream.slot.slot, stream.slot.epoch) == (slot, epoch):
                return stream if stream.session.resumable else None
        return None

    def forget(self, stream: Stream) -> None:
        """The stream has ended."""
        if stream.token is not None:
            self._streams.pop(stream.token, None)
            self._alone.pop(stream.token, None)

    @property
    def alone(self) -> Iterator[Stream]:
        """The sessions without a connection."""
        return iter(tuple(self._alone.values()))

    def give_up_overdue(self, now_s: float) -> None:
        """Ends what nobody has come back to in time, or could no more."""
        for stream in self.alone:
            if now_s - stream.alone_since_s >= self.keep_s or not stream.session.resumable:
                self._end(stream)

    def make_room(self, now_s: float) -> bool:
        """Ends the session that has been alone for the longest, if that is long enough."""
        stream = next(self.alone, None)
        if stream is None or now_s - stream.alone_since_s < GRACE_S:
            return False
        self._end(stream)
        return True

    def give_up_all(self) -> None:
        """The process stops: nobody can come back."""
        for stream in self.alone:
            self._end(stream)

    def _end(self, stream: Stream) -> None:
        self.forget(stream)
        self._give_up(stream)
