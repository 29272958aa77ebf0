"""A connection without a network: a client's protocol on one side, fakes on the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from server.api_keys import ApiKeys
from server.connection import Connection
from server.doorway import Doorway
from server.frontend_settings import EVERYBODY, ClientSettings
from server.lobby import Lobby
from server.site import Site, console_pages
from tests.server.fakes import RING_SAMPLES, FakeLoop, FakePool, FakeSlot, FakeTransport

MODEL_RATE_HZ = 16_000
SITE = Site(console_pages())
TARGET = "/?downsample=True&sampleRate=16000"


def doorway_of(
    pool: FakePool, keys: ApiKeys | None = None, settings: ClientSettings = EVERYBODY
) -> Doorway:
    """What the connections of a process have in common."""
    return Doorway(cast(Any, pool), MODEL_RATE_HZ, keys or ApiKeys(), settings)


class Peer:
    """A `Connection` that was just accepted, and the client at its other end."""

    def __init__(
        self,
        target: str = TARGET,
        *,
        pool: FakePool | None = None,
        tls: bool = False,
        ring_samples: int = RING_SAMPLES,
        keys: ApiKeys | None = None,
        doorway: Doorway | None = None,
        loop: FakeLoop | None = None,
        address: str = "192.0.2.1",
        headers: dict[str, str] | None = None,
        lobby: Lobby | None = None,
        processor_s: Callable[[], float] | None = None,
    ) -> None:
        self.headers = headers or {}
        self.loop = loop or FakeLoop()
        self.pool = pool or FakePool(ring_samples=ring_samples)
        self.transport = FakeTransport(tls=tls, address=address)
        self.times_closed = 0
        self.messages: list[dict[str, Any]] = []
        self.pongs: list[bytes] = []
        self.pings = 0
        self.refusal: Response | None = None
        self.client = ClientProtocol(parse_uri("ws://localhost" + target))
        self.connection = Connection(
            doorway or doorway_of(self.pool, keys),
            SITE,
            cast(Any, self.loop),
            self._on_closed,
            Lobby() if lobby is None else lobby,
            processor_s=processor_s or (lambda: 0.0),
        )
        self.connection.connection_made(self.transport)
        self._delivered = 0
        self._is_lost = False

    # -- the client

    def request(self) -> bytes:
        """The client's opening request."""
        request = self.client.connect()
        request.headers.update(self.headers)
        self.client.send_request(request)
        return self.written()

    def written(self) -> bytes:
        """What the client's protocol has to send."""
        return b"".join(self.client.data_to_send())

    def open(self) -> Peer:
        """Connects, up to ``ready``."""
        self.send(self.request())
        assert self.statuses() == ["ready"]
        return self

    def send(self, data: bytes) -> None:
        """Bytes to the server, as the event loop would hand them over, and its answer back."""
        if data and not self.transport.closed:
            assert self.transport.reading, "nobody reads"
            self.connection.data_received(data)
        self.deliver()

    def send_audio(self, data: bytes) -> None:
        self.client.send_binary(data)
        self.send(self.written())

    def send_text(self, text: str) -> None:
        self.client.send_text(text.encode())
        self.send(self.written())

    def send_close(self, code: int = 1000) -> None:
        self.client.send_close(code)
        self.send(self.written())

    def half_close(self) -> None:
        """The client's end of the stream: what is returned decides over the transport."""
        if not self.connection.eof_received():
            self.transport.close()
        self.deliver()

    def pump(self) -> None:
        """The frontend's bell rang."""
        self.connection.pump()
        self.deliver()

    def deliver(self) -> None:
        """Takes what the server has sent to the client, and loses a closed connection."""
        data = bytes(self.transport.sent[self._delivered :])
        self._delivered += len(data)
        self.client.receive_data(data)
        for event in self.client.events_received():
            if isinstance(event, Response):
                self.refusal = event if event.status_code != 101 else None
            elif isinstance(event, Frame):
                self._take(event)
        if self.transport.closed and not self._is_lost:
            self.lose(None)

    def lose(self, error: Exception | None) -> None:
        """The transport has ended: nothing is called after this."""
        self._is_lost = True
        self.transport.closed = True
        self.connection.connection_lost(error)

    # -- what came of it

    @property
    def slot(self) -> FakeSlot:
        """The slot that the connection holds."""
        (slot,) = self.pool.held
        return slot

    def statuses(self) -> list[Any]:
        """Statuses and texts received so far, each taken once."""
        messages, self.messages = self.messages, []
        return [message.get("status", message.get("text")) for message in messages]

    @property
    def close_code(self) -> int | None:
        """The code of the server's close frame."""
        return self.client.close_rcvd.code if self.client.close_rcvd else None

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            self.messages.append(json.loads(bytes(frame.data)))
        elif frame.opcode is Opcode.PONG:
            self.pongs.append(bytes(frame.data))
        elif frame.opcode is Opcode.PING:
            self.pings += 1
        else:
            assert frame.opcode is Opcode.CLOSE, "the server sends text alone"

    def _on_closed(self, connection: Connection) -> None:
        assert connection is self.connection
        self.times_closed += 1


def cut(data: bytes, step: int) -> Iterator[bytes]:
    """``data`` in pieces."""
    for start in range(0, len(data), step):
        yield data[start : start + step]
