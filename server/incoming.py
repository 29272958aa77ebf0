"""What a client sends, where the library leaves it to us: waiting bytes, whole messages. Pure.

Text that is no UTF-8 is found out with the first fragment that shows it, not at the message's end.
A fragment is judged once it is whole, as that is how the library gives it.
"""

from __future__ import annotations

import codecs
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

MAX_NUMBER_DIGITS: Final = 18
_UTF8: Final = codecs.getincrementaldecoder("utf-8")


class Protocol(ServerProtocol):
    """The library's, in which a client may close between the fragments of a message.

    As any control frame may come there (RFC 6455, 5.4), this is no mistake: what there was of the
    message is dropped, and the close is answered with the client's own code instead of 1002.
    """

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class Assembly:
    """The message of one connection that has begun to come. The library bounds its size."""

    __slots__ = ("_data", "_is_text", "_utf8")

    def __init__(self) -> None:
        self._data = bytearray()
        self._is_text = False
        self._utf8 = _UTF8()

    def feed(self, frame: Frame) -> str | bytes | None:
        """The message that ends with this data frame, text as str; None while it goes on.

        Raises:
            UnicodeDecodeError: its text is no UTF-8, however it went on.
        """
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            self._utf8.reset()
            self._data.clear()
        if self._is_text:
            self._utf8.decode(frame.data, frame.fin)
        self._data += frame.data
        if not frame.fin:
            return None
        message, self._data = bytes(self._data), bytearray()
        return message.decode() if self._is_text else message


class Unheard:
    """What of a connection's bytes has come and has not been looked at yet."""

    __slots__ = ("_data", "_taken")

    def __init__(self) -> None:
        self._data = b""
        self._taken = 0

    def __bool__(self) -> bool:
        return self._taken < len(self._data)

    def add(self, data: bytes) -> None:
        """More has come."""
        self._data = self._data[self._taken :] + data if self else data
        self._taken = 0

    def take(self, most_bytes: int | None) -> bytes:
        """The next piece, of ``most_bytes``; None: of a request, to its end and no further.

        Frames right behind a request must find the connection open.
        """
        start, data = self._taken, self._data
        if most_bytes is not None:
            end = start + most_bytes
        elif data[start : start + 1] in {b"\r", b"\n"}:  # perhaps the rest of its last line's end
            end = data.find(b"\n", start) + 1
        else:
            found = data.find(b"\r\n\r\n", start)
            end = found + 4 if found >= 0 else 0
        piece = data[start : end or len(data)]
        self._taken += len(piece)
        if not self:
            self.drop()
        return piece

    def drop(self) -> None:
        """Nothing of it matters any more."""
        self._data, self._taken = b"", 0


def number_in(data: bytes | bytearray | memoryview) -> int:
    """What a ping of ours said, and its pong says again; 0 for what is none of ours."""
    text = bytes(data)
    return int(text) if text.isdigit() and len(text) <= MAX_NUMBER_DIGITS else 0
