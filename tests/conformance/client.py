"""Clients for the tests, on the plain `websockets` library.

`Client` is what a user would write: it sends audio in messages of the permitted size and receives
in a thread of its own, so that results never hold up audio. `RawClient` works below it, on the
library's sans-I/O protocol and a socket, for what a proper client cannot do: send audio behind the
handshake without waiting, half-close, vanish, break the protocol.
"""

from __future__ import annotations

import json
import queue
import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.sync.client import connect
from websockets.uri import parse_uri

from tests.conformance.hypotheses import Message, check_message, check_order
from tests.conformance.waiting import PATIENCE_S

MODEL_RATE_HZ: Final = 16_000
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


def message_limit(rate_hz: int) -> int:
    """The largest audio message in bytes at a rate: 128 ms, in whole samples."""
    return 2048 * rate_hz // 8000 // 2 * 2


def query(rate_hz: int = MODEL_RATE_HZ, *, text2int: bool = False) -> str:
    """The parameters for a rate."""
    return f"/?downsample=True&sampleRate={rate_hz}&text2int={text2int}"


def pcm_bytes(audio: NDArray[np.int16] | bytes) -> bytes:
    """Audio as it goes over the wire."""
    return audio if isinstance(audio, bytes) else audio.astype("<i2").tobytes()


class Client:
    """An open connection. Everything that arrives is checked against the form of messages."""

    def __init__(
        self, url: str, target: str = query(), rate_hz: int = MODEL_RATE_HZ, **options: Any
    ) -> None:
        self.rate_hz = rate_hz
        self.sent_bytes = 0
        self.received: list[Message] = []
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._open = ExitStack()
        self._socket = self._open.enter_context(
            connect(
                url + target,
                proxy=None,
                max_queue=None,
                open_timeout=PATIENCE_S,
                close_timeout=PATIENCE_S,
                **options,
            )
        )
        self._receiver = threading.Thread(target=self._receive, daemon=True)
        self._receiver.start()
        self.ready = self.receive()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._open.close()
        self._receiver.join(PATIENCE_S)

    @property
    def sent_ms(self) -> float:
        """Audio sent so far."""
        return self.sent_bytes / 2 * 1000 / self.rate_hz

    def send_audio(self, audio: NDArray[np.int16] | bytes, message_bytes: int = 0) -> None:
        """Sends audio as fast as the server takes it, in messages of the limit or smaller ones."""
        data = pcm_bytes(audio)
        step = message_bytes or message_limit(self.rate_hz)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            self.sent_bytes += len(piece)
            self._socket.send(piece)

    def send(self, message: str | bytes | Sequence[bytes]) -> None:
        """Sends one message as it is, a sequence as its fragments."""
        if not isinstance(message, str):
            fragments = [message] if isinstance(message, bytes) else message
            self.sent_bytes += sum(len(fragment) for fragment in fragments)
        self._socket.send(message)

    def receive(self) -> Message:
        """The next message."""
        message = self._next()
        assert message is not None, f"the server closed: {self.close_code}"
        return message

    def final(self) -> Message:
        """The next final; what came before it is in `received`."""
        while not (message := self.receive()).get("isFinal"):
            assert "status" not in message, message
        return message

    def done(self) -> Message:
        """Sends `done` and returns the next final."""
        self.send("done")
        return self.final()

    def until_closed(self) -> list[Message]:
        """Everything up to the server's close."""
        return list(self._rest())

    def close(self) -> list[Message]:
        """Closes properly and returns everything that came before the server's close."""
        self._socket.close()
        return self.until_closed()

    @property
    def close_code(self) -> int | None:
        code: int | None = self._socket.close_code
        return code

    def _rest(self) -> Iterator[Message]:
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> Message | None:
        try:
            message = self._inbox.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"nothing came within {PATIENCE_S:g} s") from None
        if message is not None:
            self.received.append(message)
            check_message(message, self.sent_ms)
            check_order(self.received)
        return message

    def _receive(self) -> None:
        try:
            for text in self._socket:
                assert isinstance(text, str), "the server speaks text"
                self._inbox.put(json.loads(text))
        except ConnectionClosed:
            pass  # the code tells
        finally:
            self._inbox.put(None)


class RawClient:
    """A socket and the protocol's state, without any manners. One thread, nothing automatic."""

    def __init__(self, url: str, target: str = query()) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection(
            (address.hostname, address.port), timeout=PATIENCE_S
        )
        self._protocol = ClientProtocol(parse_uri(url + target))
        self._protocol.send_request(self._protocol.connect())
        self.handshake = b"".join(self._protocol.data_to_send())

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self._socket.sendall(data)

    def has_come(self, within_s: float) -> bool:
        """Whether anything has come that was not read yet."""
        return bool(select.select([self._socket], [], [], within_s)[0])

    def messages(self) -> Iterator[Message]:
        """Every text message until the server's close or the end of the connection."""
        while self._protocol.state is not State.CLOSED and self._protocol.close_rcvd is None:
            data = self._socket.recv(65_536)
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    yield json.loads(bytes(event.data))
            if not data:
                return

    @property
    def close_code(self) -> int | None:
        """The code of the server's close frame, if one came."""
        received = self._protocol.close_rcvd
        return received.code if received is not None else None

    def close_frame(self) -> bytes:
        """The frame of a proper close."""
        return Frame(Opcode.CLOSE, Close(CloseCode.NORMAL_CLOSURE, "").serialize()).serialize(
            mask=True
        )

    def half_close(self) -> None:
        """Says that nothing more will be sent, by TCP alone."""
        self._socket.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        """Goes without a goodbye: the kernel resets the connection."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._socket.close()


def audio_frames(audio: NDArray[np.int16] | bytes, rate_hz: int = MODEL_RATE_HZ) -> bytes:
    """The WebSocket frames of audio, masked as a client's must be."""
    data, step = pcm_bytes(audio), message_limit(rate_hz)
    pieces = (data[start : start + step] for start in range(0, len(data), step))
    return b"".join(Frame(Opcode.BINARY, piece).serialize(mask=True) for piece in pieces)


def text_frame(text: bytes) -> bytes:
    """The WebSocket frame of a text message, or of bytes that only claim to be one."""
    return Frame(Opcode.TEXT, text).serialize(mask=True)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer in place of a connection."""

    status: int
    headers: dict[str, str]
    body: Message


def refusal(url: str, target: str, context: ssl.SSLContext | None = None) -> Refusal:
    """How the server refuses a handshake; fails if it does not."""
    answer = knock(url, target, ssl=context)
    if isinstance(answer, Client):
        answer.close()
        raise AssertionError(f"{target} was accepted")
    return answer


def knock(url: str, target: str = query(), **options: Any) -> Client | Refusal:
    """An open connection, or how the server refuses it."""
    try:
        return Client(url, target, **options)
    except InvalidStatus as refused:
        response = refused.response
        headers = {name.lower(): value for name, value in response.headers.raw_items()}
        return Refusal(response.status_code, headers, json.loads(response.body))
