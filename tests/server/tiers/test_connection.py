"""The shell on real sockets: a peer that breaks the protocol is told, and never a crash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from server.tiers.channel import Channel, ChannelError
from server.tiers.connection import PeerConnection
from server.tiers.frames import Capacity, Frame, Mark, Refused, encode
from server.tiers.greeting import LinkGreeting, ServerGreeting, offer
from tests.conformance.waiting import PATIENCE_S
from tests.server.tiers.examples import KEY, NONCE

OFFER = offer(bytes(16), 16_000, 4, 3)


class Owner:
    """What a connection has told."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.error: ChannelError | None = None
        self.received = 0
        self.refuses: ChannelError | None = None
        self.unwelcome: ChannelError | None = None
        self.connection: PeerConnection

    def on_open(self, connection: PeerConnection) -> None:
        self.opened.set()

    def on_frame(self, frame: Frame) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.frames.put_nowait(frame)

    def on_received(self) -> None:
        self.received += 1

    def on_closed(self, error: ChannelError | None) -> None:
        assert not self.closed.is_set(), "the end is told once"
        self.error = error
        self.closed.set()


class Pair:
    """A model server's connection, and whoever connects to it."""

    async def start(self, key: bytes = KEY) -> Pair:
        loop = asyncio.get_running_loop()
        self.far, self.near = Owner(), Owner()

        def accept() -> PeerConnection:
            greeting = ServerGreeting(key, NONCE[::-1], lambda: OFFER)
            channel = Channel(greeting, time.monotonic())
            self.far.connection = PeerConnection(channel, self.far, loop)
            self.far.connection.error = self.far.unwelcome
            return self.far.connection

        self._server = await loop.create_server(accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def connect(self) -> Pair:
        loop = asyncio.get_running_loop()

        def make() -> PeerConnection:
            channel = Channel(LinkGreeting(KEY, NONCE), time.monotonic())
            self.near.connection = PeerConnection(channel, self.near, loop)
            return self.near.connection

        await loop.create_connection(make, "127.0.0.1", self.port)
        return self

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()


def run(test: Callable[[Pair], Awaitable[None]], key: bytes = KEY) -> None:
    """Runs ``test`` with a server that waits for connections."""

    async def body() -> None:
        pair = await Pair().start(key)
        async with asyncio.timeout(PATIENCE_S):
            await test(pair)
        await pair.stop()

    asyncio.run(body())


def test_both_sides_meet_and_talk() -> None:
    async def test(pair: Pair) -> None:
        await pair.connect()
        await pair.near.opened.wait()
        await pair.far.opened.wait()
        pair.near.connection.channel.send(Mark(3))
        assert pair.near.connection.unsent_bytes > 0
        pair.near.connection.flush()
        assert await pair.far.frames.get() == Mark(3)
        pair.far.connection.channel.send(Capacity(9))
        pair.far.connection.flush()
        assert await pair.near.frames.get() == Capacity(9)
        assert pair.near.connection.can_send
        pair.near.connection.close()
        await pair.near.closed.wait()
        await pair.far.closed.wait()
        assert pair.near.error is None
        assert pair.far.error is None

    run(test)


def test_both_sides_say_that_the_key_is_wrong() -> None:
    async def test(pair: Pair) -> None:
        await pair.connect()
        await pair.near.closed.wait()
        await pair.far.closed.wait()
        assert "different keys" in str(pair.near.error)
        assert "different keys" in str(pair.far.error)
        assert not pair.near.opened.is_set()

    run(test, b"another key entirely")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "it sent HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", "it sent TLS"),
        (bytes(range(200, 240)), "a frame of"),
        (encode(Mark(1)), "does not greet"),
    ],
)
def test_a_stranger_is_described_once(data: bytes, said: str) -> None:
    async def test(pair: Pair) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", pair.port)
        writer.write(data)
        assert await reader.read() == b"", "a stranger is told nothing"
        writer.close()
        await pair.far.closed.wait()
        assert said in str(pair.far.error)
        assert pair.far.error is not None
        assert pair.far.error.lasting

    run(test)


def test_who_only_knocks_is_told_apart() -> None:
    """A balancer that looks whether somebody listens."""

    async def test(pair: Pair) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", pair.port)
        writer.close()
        await pair.far.closed.wait()
        assert "instead of greeting" in str(pair.far.error)
        assert pair.far.error is not None
        assert not pair.far.error.lasting

    run(test)


def test_an_owner_may_end_it() -> None:
    async def test(pair: Pair) -> None:
        await pair.connect()
        await pair.near.opened.wait()
        pair.far.refuses = ChannelError("that was too much")
        pair.near.connection.channel.send(Mark(1))
        pair.near.connection.flush()
        await pair.far.closed.wait()
        await pair.near.closed.wait()
        assert str(pair.far.error) == "that was too much"
        assert pair.near.error is None

    run(test)


def test_who_is_silent_is_let_go() -> None:
    async def test(pair: Pair) -> None:
        await pair.connect()
        await pair.near.opened.wait()
        pair.near.connection.channel._heard_s -= 3600
        pair.near.connection.tick()
        await pair.near.closed.wait()
        assert "silent" in str(pair.near.error)
        pair.near.connection.tick()

    run(test)


def test_who_is_not_welcome_is_closed_at_once() -> None:
    async def test(pair: Pair) -> None:
        pair.far.unwelcome = ChannelError("there are too many")
        await pair.connect()
        await pair.near.closed.wait()
        await pair.far.closed.wait()
        assert pair.far.error is pair.far.unwelcome

    run(test)


def test_a_refusal_is_a_frame() -> None:
    """What goes over the wire before the close."""

    async def test(pair: Pair) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", pair.port)
        hello = b"RTE-LINK\x09\x00"
        writer.write(len(hello + b"\x01").to_bytes(4, "little") + b"\x01" + hello)
        said = await reader.read()
        assert said == encode(Refused(said[5:].decode()))
        assert b"speaks version 9" in said
        writer.close()

    run(test)
