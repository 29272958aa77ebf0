"""A client's frames, put together to messages, where the library leaves that to us. Pure.

Text that is no UTF-8 is found out with the first fragment that shows it, not at the message's end.
A fragment is judged once it is whole, as that is how the library gives it.
"""

from __future__ import annotations

import codecs
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

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
