"""A client that is no more than a socket: every byte that it sends, and each frame that comes back.

It shares no code with the server, which builds on a library that reads frames on both sides.
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Final, TypeAlias

from tests.conformance.client import query
from tests.conformance.server_process import HOST, ServerProcess
from tests.conformance.waiting import PATIENCE_S

CONT: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
_MASK: Final = b"\x37\xfa\x21\x3d"
_REQUEST: Final = (
    "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)

Reply: TypeAlias = tuple[str, object]
"""What the server said: ``text`` with a status or a text, ``pong`` with bytes, ``close`` with a
code (None: none was given), and ``end`` of the connection."""


def wire(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """A frame as it goes over the wire, right or wrong (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        size, extended = length, b""
    elif length < 1 << 16:
        size, extended = 126, struct.pack("!H", length)
    else:
        size, extended = 127, struct.pack("!Q", length)
    head = bytes([fin << 7 | rsv << 4 | opcode, masked << 7 | size]) + extended
    if not masked:
        return head + payload
    key = int.from_bytes((_MASK * (length // 4 + 1))[:length], "big")
    return head + _MASK + (int.from_bytes(payload, "big") ^ key).to_bytes(length, "big")


def closing(code: int | None, reason: bytes = b"") -> bytes:
    """A close frame."""
    return wire(CLOSE, (b"" if code is None else struct.pack("!H", code)) + reason)


@dataclass(frozen=True, slots=True)
class ServerFrame:
    """A frame that came, with the rules about servers' frames checked."""

    opcode: int
    payload: bytes


class FrameClient:
    """An open connection whose ``ready`` has been read."""

    def __init__(self, server: ServerProcess, *headers: str) -> None:
        self._socket = socket.create_connection((HOST, server.port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        more = "".join(f"{header}\r\n" for header in headers)
        self.send(_REQUEST.format(target=query(), more=more).encode())
        while b"\r\n\r\n" not in self._unread:
            assert self._read(), "the server went during the handshake"
        self.answer, _, self._unread = self._unread.partition(b"\r\n\r\n")
        assert self.answer.startswith(b"HTTP/1.1 101 "), self.answer
        assert self.reply() == ("text", "ready")

    def __enter__(self) -> FrameClient:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes, step: int = 0) -> None:
        """All at once, or in pieces of ``step`` bytes."""
        step = step or len(data) or 1
        for start in range(0, len(data), step):
            self._socket.sendall(data[start : start + step])

    def reply(self) -> Reply:
        """The next thing that the server says, its own pings aside."""
        frame = self._frame()
        while frame is not None and frame.opcode == PING:
            frame = self._frame()
        if frame is None:
            return ("end", None)
        if frame.opcode == TEXT:
            message = json.loads(frame.payload)
            return ("text", message.get("status", message.get("text")))
        if frame.opcode == CLOSE:
            code = int.from_bytes(frame.payload[:2], "big") if frame.payload else None
            return ("close", code)
        assert frame.opcode == PONG, frame
        return ("pong", frame.payload)

    def rest(self) -> list[Reply]:
        """Everything up to the server's close; nothing but the end may follow that."""
        replies = []
        while (reply := self.reply())[0] != "end":
            replies.append(reply)
        assert [kind for kind, _ in replies].count("close") <= 1
        return replies

    def _frame(self) -> ServerFrame | None:
        head = self._take(2)
        if head is None:
            return None
        assert not head[0] & 0x70, "no extension was agreed on"
        assert head[0] & 0x80, "the server sends whole messages"
        assert not head[1] & 0x80, "a server does not mask"
        length = head[1]
        if length > 125:
            extended = self._take(2 if length == 126 else 8)
            assert extended is not None
            length = int.from_bytes(extended, "big")
        payload = self._take(length)
        assert payload is not None, "a frame was cut"
        return ServerFrame(head[0] & 0x0F, payload)

    def _take(self, count: int) -> bytes | None:
        while len(self._unread) < count:
            if not self._read():
                assert not self._unread, "a frame was cut"
                return None
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken

    def _read(self) -> bool:
        try:
            data = self._socket.recv(65_536)
        except ConnectionResetError:
            data = b""
        self._unread += data
        return bool(data)
