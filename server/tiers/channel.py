"""One end of a connection between the tiers, without the socket: bytes in, frames out, and back.

It greets, then passes frames on; it answers pings, sends its own when `tick` says that time has
passed, and finds out that the peer is gone. Pure: time is an argument, in seconds of any clock
that only goes forward. What is to be sent piles up in `outgoing`, for the shell to take.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from server.tiers.frames import (
    MAX_FRAME_BYTES,
    Frame,
    FrameError,
    FrameParser,
    Ping,
    Pong,
    Refused,
    encode,
)
from server.tiers.greeting import GreetingError, RefusedError

GREETING_TIMEOUT_S: Final = 5.0
PING_S: Final = 1.0
SILENT_S: Final = 6.0
"""A peer that has said nothing for so long, not even a pong, is gone."""


class ChannelError(Exception):
    """The connection is to be closed; the message is one line about the peer.

    ``lasting`` tells what an operator has to put right from what may pass by itself.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class Greeting(Protocol):
    """Either side of `server.tiers.greeting`."""

    @property
    def is_done(self) -> bool: ...
    def start(self) -> list[Frame]: ...
    def answer(self, frame: Frame) -> list[Frame]: ...


class Channel:
    """Greeting, liveness and framing of one connection."""

    __slots__ = (
        "_began_s",
        "_greeting",
        "_heard_s",
        "_outgoing",
        "_parser",
        "_pinged_s",
        "_token",
        "round_trip_s",
    )

    def __init__(self, greeting: Greeting, now_s: float) -> None:
        self._greeting = greeting
        self._parser = FrameParser()
        self._outgoing = bytearray()
        self._began_s = self._heard_s = self._pinged_s = now_s
        self._token = 0
        self.round_trip_s: float | None = None
        """Of the newest ping that was answered."""
        for frame in greeting.start():
            self.send(frame)

    @property
    def is_open(self) -> bool:
        """Whether both sides know each other."""
        return self._greeting.is_done

    def send(self, frame: Frame) -> None:
        """Puts a frame behind those that wait to be sent."""
        self._outgoing += encode(frame)

    @property
    def unsent_bytes(self) -> int:
        """How much `outgoing` would give."""
        return len(self._outgoing)

    def outgoing(self) -> bytes:
        """Takes what is to be sent now."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes, now_s: float) -> Iterator[Frame]:
        """The frames that ``data`` completes, without greetings and pings. To be used up.

        Raises:
            ChannelError: the peer broke the protocol, or is refused; what is `outgoing` then tells
                it why.
        """
        self._heard_s = now_s
        self._parser.feed(data)
        try:
            for frame in self._parser.frames():
                if not self.is_open:
                    self._greet(frame)
                elif isinstance(frame, Ping):
                    self.send(Pong(frame.token))
                elif isinstance(frame, Pong):
                    self._measure(frame, now_s)
                else:
                    yield frame
        except FrameError as error:
            raise ChannelError(f"it sent {error}", lasting=not self.is_open) from None

    def tick(self, now_s: float) -> None:
        """To be called several times per second.

        Raises:
            ChannelError: the peer does not greet, or has gone.
        """
        if not self.is_open:
            if now_s - self._began_s > GREETING_TIMEOUT_S:
                raise ChannelError(
                    f"it did not greet within {GREETING_TIMEOUT_S:g} s: is it the right port, and "
                    "the same MODELSERVER_PROTOCOL on both sides?"
                )
            return
        if now_s - self._heard_s > SILENT_S:
            raise ChannelError(f"it has been silent for {SILENT_S:g} s")
        if now_s - self._pinged_s >= PING_S:
            self._pinged_s = now_s
            self._token += 1
            self.send(Ping(self._token))

    def _greet(self, frame: Frame) -> None:
        try:
            for answer in self._greeting.answer(frame):
                self.send(answer)
        except RefusedError as error:
            self.send(Refused(str(error)))
            raise ChannelError(str(error), lasting=True) from None
        except GreetingError as error:
            raise ChannelError(str(error), lasting=True) from None
        if self.is_open:
            self._parser.limit_bytes = MAX_FRAME_BYTES

    def _measure(self, pong: Pong, now_s: float) -> None:
        """Only the newest ping's answer is timed."""
        if pong.token == self._token:
            self.round_trip_s = now_s - self._pinged_s
