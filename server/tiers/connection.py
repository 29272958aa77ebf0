"""The shell around a channel: bytes in from a transport, frames to whoever owns the connection.

The same on both sides. A peer that breaks the protocol gets what the channel has to say about it,
and a closed connection; whoever owns the connection hears why, once.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Final, Protocol, cast

from server.tiers.channel import Channel, ChannelError
from server.tiers.frames import Frame

MAX_UNSENT_BYTES: Final = 1 << 18
"""While so much waits to be sent, no more is put behind it."""
CLOSE_TIMEOUT_S: Final = 1.0


class Owner(Protocol):
    """What a connection tells of itself. A `ChannelError` that is raised here closes it."""

    def on_open(self, connection: PeerConnection) -> None:
        """Both sides know each other."""

    def on_frame(self, frame: Frame) -> None:
        """A frame has come."""

    def on_received(self) -> None:
        """All that had come was handed on."""

    def on_closed(self, error: ChannelError | None) -> None:
        """The end, also of one that was never open; ``error`` if it is the peer's fault."""


class PeerConnection(asyncio.Protocol):
    """One connection between the tiers."""

    def __init__(self, channel: Channel, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.channel = channel
        self.error: ChannelError | None = None
        self.peer = "?"
        self._owner = owner
        self._loop = loop
        self._transport: asyncio.Transport
        self._was_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        if self.error is not None:  # it was not welcome before it came
            self._transport.abort()
            return
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if address else "?"
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.error is not None:
            return
        try:
            for frame in self.channel.receive(data, time.monotonic()):
                self._tell_open()
                self._owner.on_frame(frame)
            self._tell_open()
        except ChannelError as error:
            self.fail(error)
            return
        self._owner.on_received()
        self.flush()

    def connection_lost(self, _error: Exception | None) -> None:
        if self.error is None and not self._was_open:
            self.error = ChannelError(
                "it closed the connection instead of greeting: is it the right port, and the same "
                "MODELSERVER_PROTOCOL on both sides?"
            )
        self._owner.on_closed(self.error)

    @property
    def can_send(self) -> bool:
        """Whether little enough waits to be sent."""
        return not self.is_closing and self.unsent_bytes < MAX_UNSENT_BYTES

    @property
    def is_closing(self) -> bool:
        return self.error is not None or self._transport.is_closing()

    @property
    def unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size() + self.channel.unsent_bytes

    def flush(self) -> None:
        """Writes what the channel has to send."""
        data = self.channel.outgoing()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def tick(self) -> None:
        """To be called several times per second: pings, and finds out that the peer is gone."""
        if self.is_closing:
            return
        try:
            self.channel.tick(time.monotonic())
        except ChannelError as error:
            self.fail(error)
            self._transport.abort()  # nobody is there to read what is still unsent
            return
        self.flush()

    def fail(self, error: ChannelError) -> None:
        """Closes it because of the peer, which is still told why."""
        self.error = error
        self.close()

    def close(self) -> None:
        """Closes it, once what is to be sent is out or within a time-out."""
        self.flush()
        self._transport.close()
        self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def _tell_open(self) -> None:
        if self.channel.is_open and not self._was_open:
            self._was_open = True
            self._owner.on_open(self)
