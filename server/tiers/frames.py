"""The frames that a WebSocket server's link and a model server exchange: bytes from and to values.

Pure and without state but for the bytes of an unfinished frame, which `MAX_FRAME_BYTES` bounds. A
frame is a length (u32, of what follows), a type (u8) and its fields; every number is little-endian.
docs/MODEL_SERVER.md describes each frame; `VERSION` changes with any of them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from typing import Any, Final, TypeAlias

from shm.records import Hypothesis, Word

VERSION: Final = 1
MAGIC: Final = b"RTE-LINK"
NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32
SERVER_ID_BYTES: Final = 16
MAX_FRAME_BYTES: Final = 1 << 17
"""A hypothesis of the longest utterance is half of that."""
MAX_GREETING_BYTES: Final = 512
"""What is accepted from a peer that has not proven that it knows the key."""
MAX_AUDIO_BYTES: Final = 32_768
"""Of one frame: about a second, so that no stream holds up its neighbours on the connection."""
MAX_REASON_CHARACTERS: Final = 200

_LENGTH: Final = struct.Struct("<I")
_HELLO: Final = struct.Struct(f"<8sH{NONCE_BYTES}s")
_CHALLENGE: Final = struct.Struct(f"<H{NONCE_BYTES}s")
_WELCOME: Final = struct.Struct(f"<{PROOF_BYTES}s{SERVER_ID_BYTES}sIII")
_OPEN: Final = struct.Struct("<IQB")
_STREAM: Final = struct.Struct("<I")
_CREDIT: Final = struct.Struct("<IQQ")
_RESULT: Final = struct.Struct("<IBQQQQfI")
_WORD: Final = struct.Struct("<QQfBH")
_COUNT: Final = struct.Struct("<I")
_TOKEN: Final = struct.Struct("<Q")

_FINAL, _REQUESTED = 1, 2
_STABLE: Final = 1


class FrameError(Exception):
    """Bytes that are no frame; the message is one line about what the peer sent."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The link's first words."""

    version: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Challenge:
    """The model server's answer: what to prove the key with."""

    version: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """The link knows the key."""

    proof: bytes


@dataclass(frozen=True, slots=True)
class Welcome:
    """The model server knows it as well, and this is what it has to offer."""

    proof: bytes
    server_id: bytes
    sample_rate_hz: int
    slots: int
    free: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The model server's last words; ``reason`` says what would be right."""

    reason: str


@dataclass(frozen=True, slots=True)
class Open:
    """A stream begins, or goes on from its last final, ``origin`` samples after its first.

    ``partials`` is what `shm.layout.SLOT_PARTIALS` holds.
    """

    stream: int
    origin: int
    partials: int


@dataclass(frozen=True, slots=True)
class Full:
    """There is no slot for a stream that was asked for."""

    stream: int


@dataclass(frozen=True, slots=True)
class Credit:
    """Audio up to sample ``limit`` may be sent, and up to ``position`` it has been computed.

    The first one says that the stream has a slot. Samples count from the stream's `Open`.
    """

    stream: int
    limit: int
    position: int


@dataclass(frozen=True, slots=True)
class Audio:
    """The stream's next samples: ``pcm`` is 16-bit little-endian at the model's rate."""

    stream: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A final of all audio so far is asked for, even if it is empty."""

    stream: int


@dataclass(frozen=True, slots=True)
class Release:
    """Nobody waits for the stream any more."""

    stream: int


@dataclass(frozen=True, slots=True)
class Result:
    """A hypothesis, and what is settled by now: all of it counted from the stream's `Open`.

    Only the words' times count from the stream's very first sample.
    """

    stream: int
    hypothesis: Hypothesis
    requested: bool
    segment: int
    sample: int
    mark: int
    partial_sample: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """So many slots are free now, for whoever asks first."""

    free: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Is anybody there?"""

    token: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer, with the question's token."""

    token: int


@dataclass(frozen=True, slots=True)
class Drain:
    """The model server is going away: its streams go on elsewhere."""


Frame: TypeAlias = (
    Hello | Challenge | Proof | Welcome | Refused | Open | Full | Credit | Audio | Mark | Release
    | Result | Capacity | Ping | Pong | Drain
)  # fmt: skip


def encode(frame: Frame) -> bytes:
    """The frame as it goes over the wire."""
    number, write = _WRITERS[type(frame)]
    payload = write(frame)
    assert len(payload) < MAX_FRAME_BYTES, "what is sent is what a peer accepts"
    return _LENGTH.pack(1 + len(payload)) + bytes((number,)) + payload


class FrameParser:
    """Takes bytes as they come and gives whole frames."""

    __slots__ = ("_data", "limit_bytes")

    def __init__(self, limit_bytes: int = MAX_GREETING_BYTES) -> None:
        self._data = bytearray()
        self.limit_bytes = limit_bytes
        """The longest frame that is accepted; to be raised once the peer is known."""

    def feed(self, data: bytes) -> None:
        """More bytes. `frames` takes the frames out of them."""
        self._data += data

    def frames(self) -> Iterator[Frame]:
        """The frames that are complete; the limit is looked at again for each.

        Raises:
            FrameError: what came is no frame, or longer than `limit_bytes`. Nothing after it can
                be understood.
        """
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if not 1 <= length <= self.limit_bytes:
                raise FrameError(_about(bytes(self._data[:8]), length))
            end = _LENGTH.size + length
            if len(self._data) < end:
                return
            number, payload = self._data[_LENGTH.size], bytes(self._data[_LENGTH.size + 1 : end])
            del self._data[:end]
            yield decode(number, payload)


def decode(number: int, payload: bytes) -> Frame:
    """The frame of type ``number``.

    Raises:
        FrameError: there is no such type, or ``payload`` is not what one of it holds.
    """
    read = _READERS.get(number)
    if read is None:
        raise FrameError(f"a frame of unknown type {number}")
    try:
        return read(payload)
    except (struct.error, UnicodeDecodeError) as error:
        raise FrameError(f"a broken frame of type {number} ({error})") from None


def _encoded_result(frame: Result) -> bytes:
    hypothesis = frame.hypothesis
    parts = [
        _RESULT.pack(
            frame.stream,
            _FINAL * hypothesis.is_final | _REQUESTED * frame.requested,
            frame.segment,
            frame.sample,
            frame.mark,
            frame.partial_sample,
            hypothesis.confidence,
            len(hypothesis.words),
        )
    ]
    for word in hypothesis.words:
        text = word.text.encode()
        flags = _STABLE * word.stable
        parts += (
            _WORD.pack(word.start_ms, word.end_ms, word.confidence, flags, len(text)),
            text,
        )
    return b"".join(parts)


def _read_hello(payload: bytes) -> Hello:
    """A later version's may hold more: it is told which version this is."""
    magic, version = struct.unpack_from("<8sH", payload)
    if magic != MAGIC:
        raise FrameError("a greeting of something else")
    if version != VERSION:
        return Hello(version, bytes(NONCE_BYTES))
    _, _, nonce = _HELLO.unpack(payload)
    return Hello(version, nonce)


def _read_proof(payload: bytes) -> Proof:
    if len(payload) != PROOF_BYTES:
        raise FrameError(f"a proof of {len(payload)} bytes")
    return Proof(payload)


def _read_refused(payload: bytes) -> Refused:
    """It goes into the log, so only what is printable there is let through."""
    text = payload.decode("ascii")[:MAX_REASON_CHARACTERS]
    return Refused("".join(character if character.isprintable() else "?" for character in text))


def _read_audio(payload: bytes) -> Audio:
    (stream,) = _STREAM.unpack_from(payload)
    pcm = payload[_STREAM.size :]
    if not 0 < len(pcm) <= MAX_AUDIO_BYTES or len(pcm) % 2:
        raise FrameError(f"{len(pcm)} bytes of audio in one frame")
    return Audio(stream, pcm)


def _read_result(payload: bytes) -> Result:
    stream, flags, segment, sample, mark, partial, confidence, count = _RESULT.unpack_from(payload)
    words = []
    offset = _RESULT.size
    for _ in range(count):
        start_ms, end_ms, certain, word_flags, length = _WORD.unpack_from(payload, offset)
        offset += _WORD.size
        if offset + length > len(payload):
            raise FrameError("a word that is longer than its frame")
        text = payload[offset : offset + length].decode()
        offset += length
        words.append(Word(text, _certainty(certain), start_ms, end_ms, bool(word_flags & _STABLE)))
    if offset != len(payload):
        raise FrameError(f"{len(payload) - offset} bytes behind the last word")
    return Result(
        stream,
        Hypothesis(tuple(words), _certainty(confidence), bool(flags & _FINAL)),
        bool(flags & _REQUESTED),
        segment,
        sample,
        mark,
        partial,
    )


def _certainty(value: float) -> float:
    if not (math.isfinite(value) and 0.0 <= value <= 1.0):
        raise FrameError(f"a confidence of {value}")
    return value


def _read_drain(payload: bytes) -> Drain:
    if payload:
        raise FrameError(f"{len(payload)} bytes in a frame that has none")
    return Drain()


_WRITERS: Final[dict[type, tuple[int, Callable[[Any], bytes]]]] = {
    Hello: (1, lambda f: _HELLO.pack(MAGIC, f.version, f.nonce)),
    Challenge: (2, lambda f: _CHALLENGE.pack(f.version, f.nonce)),
    Proof: (3, lambda f: f.proof),
    Welcome: (4, lambda f: _WELCOME.pack(*astuple(f))),
    Refused: (5, lambda f: f.reason[:MAX_REASON_CHARACTERS].encode("ascii", "replace")),
    Open: (6, lambda f: _OPEN.pack(f.stream, f.origin, f.partials)),
    Full: (7, lambda f: _STREAM.pack(f.stream)),
    Credit: (8, lambda f: _CREDIT.pack(f.stream, f.limit, f.position)),
    Audio: (9, lambda f: _STREAM.pack(f.stream) + f.pcm),
    Mark: (10, lambda f: _STREAM.pack(f.stream)),
    Release: (11, lambda f: _STREAM.pack(f.stream)),
    Result: (12, _encoded_result),
    Capacity: (13, lambda f: _COUNT.pack(f.free)),
    Ping: (14, lambda f: _TOKEN.pack(f.token)),
    Pong: (15, lambda f: _TOKEN.pack(f.token)),
    Drain: (16, lambda _: b""),
}
_READERS: Final[dict[int, Callable[[bytes], Frame]]] = {
    1: _read_hello,
    2: lambda payload: Challenge(*_CHALLENGE.unpack(payload)),
    3: _read_proof,
    4: lambda payload: Welcome(*_WELCOME.unpack(payload)),
    5: _read_refused,
    6: lambda payload: Open(*_OPEN.unpack(payload)),
    7: lambda payload: Full(*_STREAM.unpack(payload)),
    8: lambda payload: Credit(*_CREDIT.unpack(payload)),
    9: _read_audio,
    10: lambda payload: Mark(*_STREAM.unpack(payload)),
    11: lambda payload: Release(*_STREAM.unpack(payload)),
    12: _read_result,
    13: lambda payload: Capacity(*_COUNT.unpack(payload)),
    14: lambda payload: Ping(*_TOKEN.unpack(payload)),
    15: lambda payload: Pong(*_TOKEN.unpack(payload)),
    16: _read_drain,
}


def _about(begin: bytes, length: int) -> str:
    """What the first bytes of something else tell about it."""
    if begin.startswith((b"HTTP", b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI")):
        return "HTTP, which belongs to another port"
    if begin[0] in {0x15, 0x16} and begin[1] == 0x03:
        return "TLS where none is spoken: both sides need it, or neither"
    return f"a frame of {length} bytes"
