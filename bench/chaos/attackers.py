"""Clients that want to do harm, as a `Helper` process. Bounded in number and time.

A visit is one connection from its begin to its end; as many visitors as an attack has pay visits
one after the other until the time is over. What happens to them is counted, and is theirs to bear:
that they are refused, cut off or told of an error is right. What is not is in ``failures``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode

from bench.chaos.helpers import answer_all
from bench.chaos.requests import DEFLATE, header_of, opening_request, status_of
from tests.conformance.client import text_frame
from tests.conformance.server_process import HOST
from tests.robustness import mischief

TRICKLE_S: Final = 0.2
"""From one byte of a slow client to the next."""
BOMB_BYTES: Final = 64 << 20
"""What a frame of the compression bomb would inflate to; a thousandth of it is sent."""
HUGE_BYTES: Final = 1 << 40
MOST_VISITS: Final = 100_000
NICENESS: Final = 19
"""Attackers have machines of their own: here they take what the server leaves of this one."""
MALFORMED: Final = (
    mischief.oversized,
    mischief.odd,
    mischief.noise,
    mischief.clipping,
    mischief.broken_frames,
    mischief.broken_text,
    mischief.no_http,
    mischief.half_a_handshake,
    mischief.vanishing_mid_frame,
)


@dataclass(slots=True)
class Toll:
    """What became of an attack."""

    visits: int = 0
    let_in: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    sent_bytes: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Visitor:
    """One connection at a time, and the toll that all have in common."""

    port: int
    deadline_s: float
    toll: Toll
    reader: asyncio.StreamReader = field(init=False)
    writer: asyncio.StreamWriter = field(init=False)

    @property
    def left_s(self) -> float:
        return max(0.0, self.deadline_s - time.monotonic())

    async def connect(self, *, receive_buffer: int = 0) -> None:
        line = socket.socket()
        line.setblocking(False)
        if receive_buffer:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(line, (HOST, self.port))
        self.reader, self.writer = await asyncio.open_connection(sock=line)

    async def open(self, *headers: str, receive_buffer: int = 0) -> bytes:
        """Up to the head of the answer; raises ConnectionError if that is a refusal."""
        await self.connect(receive_buffer=receive_buffer)
        self.writer.write(opening_request(*headers))
        head = await self.reader.readuntil(b"\r\n\r\n")
        if status_of(head) != 101:
            raise ConnectionRefusedError(f"HTTP {status_of(head)}")
        self.toll.let_in += 1
        return head

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        self.toll.sent_bytes += len(data)
        await self.writer.drain()

    async def trickle(self, data: bytes) -> None:
        """A byte now and then, over and over, until the server has had enough."""
        sent = 0
        while not self.reader.at_eof():
            await self.send(data[sent : sent + 1])
            sent = (sent + 1) % len(data)
            await asyncio.sleep(TRICKLE_S)

    async def until_closed(self) -> None:
        while await self.reader.read(1 << 16):
            pass


Visit = Callable[[_Visitor], Awaitable[None]]


# -- without a stream


async def _slow_request(visitor: _Visitor) -> None:
    await visitor.connect()
    await visitor.trickle(opening_request("X-Slow: " + "z" * 4000))


async def _large_request(visitor: _Visitor) -> None:
    """As many headers as are taken, each as long as is taken, and no end."""
    await visitor.connect()
    await visitor.send(opening_request()[:-2])
    for number in range(126):
        await visitor.send(f"X-Header-{number}: {'z' * 8000}\r\n".encode())
    await visitor.until_closed()


async def _silent_connect(visitor: _Visitor) -> None:
    await visitor.connect()
    await visitor.until_closed()


async def _connect_and_close(visitor: _Visitor) -> None:
    await visitor.connect()


# -- with one, if it can be had


async def _slow_frame(visitor: _Visitor) -> None:
    await visitor.open()
    await visitor.send(bytes([0x82, 0xFE, 0x10, 0x00]) + bytes(4))  # 4096 bytes of audio
    await visitor.trickle(bytes(1))


async def _compression_bomb(visitor: _Visitor) -> None:
    """Every other time without asking for compression first."""
    offered = [DEFLATE] if visitor.toll.visits % 2 else []
    head = await visitor.open(*offered)
    if header_of(head, "Sec-WebSocket-Extensions") is not None:
        visitor.toll.failures.append("the server agreed to compression")
    for _ in range(64):
        await visitor.send(_BOMB)
    await visitor.until_closed()


async def _huge_message(visitor: _Visitor) -> None:
    """Declared and never sent; just below what is refused at once; in fragments without an end."""
    await visitor.open()
    kind = visitor.toll.visits % 3
    if kind == 0:
        await visitor.send(b"\x82\xff" + HUGE_BYTES.to_bytes(8, "big") + bytes(4) + bytes(1000))
    elif kind == 1:
        await visitor.send(b"\x82\xff" + (1 << 20).to_bytes(8, "big") + bytes(4) + bytes(1 << 19))
    else:
        await visitor.send(Frame(Opcode.BINARY, bytes(1000), fin=False).serialize(mask=True))
        more = Frame(Opcode.CONT, bytes(1000), fin=False).serialize(mask=True)
        for _ in range(2000):
            await visitor.send(more)
    await visitor.until_closed()


async def _never_read(visitor: _Visitor) -> None:
    await visitor.open(receive_buffer=4096)
    questions = text_frame(b"?") * 1000
    while visitor.left_s:
        await visitor.send(questions)


async def _text_flood(visitor: _Visitor) -> None:
    """Texts that mean nothing, `done`, and pings, as fast as they are taken; answers are read."""
    await visitor.open()
    reading = asyncio.create_task(visitor.until_closed())
    ping = Frame(Opcode.PING, b"?").serialize(mask=True)
    flood = (text_frame(b"?") * 8 + text_frame(b"done") + ping * 8) * 50
    try:
        while visitor.left_s and not reading.done():
            await visitor.send(flood)
    finally:
        reading.cancel()


async def _tiny_frames(visitor: _Visitor) -> None:
    """A sample in each, and empty fragments, as fast as they are taken."""
    await visitor.open()
    reading = asyncio.create_task(visitor.until_closed())
    sample = Frame(Opcode.BINARY, bytes(2)).serialize(mask=True)
    begin = Frame(Opcode.BINARY, b"", fin=False).serialize(mask=True)
    more = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True)
    end = Frame(Opcode.CONT, b"").serialize(mask=True)
    flood = (sample * 16 + begin + more * 16 + end) * 25
    try:
        while visitor.left_s and not reading.done():
            await visitor.send(flood)
    finally:
        reading.cancel()


async def _malformed(visitor: _Visitor) -> None:
    """One after the other of what the tests of robustness do."""
    bad = MALFORMED[visitor.toll.visits % len(MALFORMED)]
    try:
        await asyncio.to_thread(bad, f"ws://{HOST}:{visitor.port}")
    except (WebSocketException, StopIteration) as error:
        raise ConnectionRefusedError(str(error)) from error
    visitor.toll.let_in += 1


def _bomb() -> bytes:
    """A frame with RSV1 set: 64 MiB of zeros, deflated and masked by zeros."""
    deflate = zlib.compressobj(9, wbits=-15)
    data = deflate.compress(bytes(BOMB_BYTES)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    data = data.removesuffix(b"\x00\x00\xff\xff")
    return b"\xc2\xfe" + len(data).to_bytes(2, "big") + bytes(4) + data


_BOMB: Final = _bomb() if __name__ == "__main__" else b""


@dataclass(frozen=True, slots=True)
class Attack:
    """``visitors`` at the same time, each with ``pause_s`` between its visits."""

    visit: Visit
    visitors: int
    pause_s: float


ATTACKS: Final[dict[str, Attack]] = {
    "slow requests": Attack(_slow_request, 200, 0.1),
    "large requests": Attack(_large_request, 20, 0.1),
    "silent connects": Attack(_silent_connect, 500, 0.1),
    "connects that close": Attack(_connect_and_close, 20, 0.05),
    "slow frames": Attack(_slow_frame, 6, 0.2),
    "compression bomb": Attack(_compression_bomb, 6, 0.1),
    "huge messages": Attack(_huge_message, 6, 0.1),
    "malformed": Attack(_malformed, 4, 0.05),
    "never reading": Attack(_never_read, 4, 0.1),
    "text flood": Attack(_text_flood, 4, 0.1),
    "tiny frames": Attack(_tiny_frames, 4, 0.1),
}


async def _run(name: str, port: int, seconds: float) -> Toll:
    planned, toll, ends = ATTACKS[name], Toll(), Counter[str]()
    deadline_s = time.monotonic() + seconds

    async def pay_visits(number: int) -> None:
        visitor = _Visitor(port, deadline_s, toll)
        await asyncio.sleep(planned.pause_s * number / planned.visitors)
        while visitor.left_s and toll.visits < MOST_VISITS:
            toll.visits += 1
            ends[await _visit(planned.visit, visitor)] += 1
            await asyncio.sleep(planned.pause_s)

    async with asyncio.TaskGroup() as group:
        for number in range(planned.visitors):
            group.create_task(pay_visits(number))
    toll.ends = dict(ends)
    return toll


async def _visit(visit: Visit, visitor: _Visitor) -> str:
    """How it ended."""
    try:
        async with asyncio.timeout(visitor.left_s):
            await visit(visitor)
        return "closed"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "over"
    except (ConnectionError, asyncio.IncompleteReadError):
        return "cut"
    except AssertionError as error:
        visitor.toll.failures.append(str(error))
        return "failed"
    finally:
        with contextlib.suppress(AttributeError):  # it was never connected
            visitor.writer.transport.abort()


if __name__ == "__main__":
    os.nice(NICENESS)
    answer_all(lambda **asked: asdict(asyncio.run(_run(**asked))))
