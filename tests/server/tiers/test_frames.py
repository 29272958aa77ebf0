"""Frames survive the wire however it cuts them, and nothing else gets through."""

from __future__ import annotations

import contextlib
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tiers.frames import (
    MAX_AUDIO_BYTES,
    MAX_FRAME_BYTES,
    MAX_GREETING_BYTES,
    Audio,
    Drain,
    Frame,
    FrameError,
    FrameParser,
    Hello,
    Mark,
    Refused,
    decode,
    encode,
)
from tests.server.tiers.examples import FRAMES, NONCE, raw, result


def parsed(*pieces: bytes, limit: int = MAX_FRAME_BYTES) -> list[Frame]:
    parser = FrameParser(limit)
    found: list[Frame] = []
    for piece in pieces:
        parser.feed(piece)
        found += parser.frames()
    return found


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 2000), max_size=8))
def test_any_frames_in_any_pieces_come_back(frames: list[Frame], cuts: list[int]) -> None:
    data = b"".join(map(encode, frames))
    ends = [*sorted(min(cut, len(data)) for cut in cuts), len(data)]
    begins = [0, *ends[:-1]]
    assert parsed(*(data[a:b] for a, b in zip(begins, ends, strict=True))) == frames


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_an_error(data: bytes) -> None:
    said: list[str] = []
    try:
        parsed(data)
    except FrameError as error:
        said = str(error).splitlines()
    assert len(said) <= 1


@given(st.integers(0, 255), st.binary(max_size=200))
def test_any_content_of_any_type_is_a_frame_or_an_error(number: int, payload: bytes) -> None:
    try:
        frame = decode(number, payload)
    except FrameError:
        return
    if not isinstance(frame, Hello | Refused):  # of another version, and unprintable
        again = decode(number, encode(frame)[5:])
        assert again == frame


@given(FRAMES, st.data())
def test_a_frame_that_was_damaged_is_a_frame_or_an_error(frame: Frame, data: st.DataObject) -> None:
    broken = bytearray(encode(frame))
    at = data.draw(st.integers(0, len(broken) - 1))
    broken[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(FrameError):
        parsed(bytes(broken))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (b"\x15\x03\x03\x00\x02", "TLS"),
        (struct.pack("<I", 0), "a frame of 0 bytes"),
        (struct.pack("<I", MAX_FRAME_BYTES + 1), "a frame of 131073 bytes"),
        (raw(99, b""), "unknown type 99"),
        (raw(10, b"123"), "a broken frame of type 10"),
        (raw(16, b"1"), "1 bytes in a frame that has none"),
        (raw(1, b"NO-MAGIC\x01\x00" + bytes(32)), "a greeting of something else"),
        (raw(3, bytes(31)), "a proof of 31 bytes"),
        (raw(9, bytes(4) + b"odd"), "3 bytes of audio"),
        (raw(9, bytes(4)), "0 bytes of audio"),
        (raw(9, bytes(6 + MAX_AUDIO_BYTES)), "32770 bytes of audio"),
        (encode(result(text="hello"))[:4] + b"\x0c" + encode(result(text="hello"))[5:-1] + b"\xff",
         "a broken frame of type 12"),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_described(data: bytes, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        parsed(data)


def test_a_result_ends_with_its_last_word() -> None:
    payload = encode(result(text="hello"))[5:]
    with pytest.raises(FrameError, match="1 bytes behind the last word"):
        decode(12, payload + b"!")
    with pytest.raises(FrameError, match="longer than its frame"):
        decode(12, payload[:-1])


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1])
def test_a_confidence_is_from_0_to_1(value: float) -> None:
    payload = bytearray(encode(result())[5:])
    struct.pack_into("<f", payload, 37, value)
    with pytest.raises(FrameError, match="a confidence of"):
        decode(12, bytes(payload))


def test_a_stranger_may_send_little() -> None:
    assert parsed(encode(Mark(1)), limit=MAX_GREETING_BYTES) == [Mark(1)]
    with pytest.raises(FrameError, match="a frame of 1005 bytes"):
        parsed(encode(Audio(1, bytes(1000))), limit=MAX_GREETING_BYTES)


def test_the_limit_may_change_between_two_frames() -> None:
    parser = FrameParser(MAX_GREETING_BYTES)
    parser.feed(encode(Drain()) + encode(Audio(1, bytes(1000))))
    frames = parser.frames()
    assert next(frames) == Drain()
    parser.limit_bytes = MAX_FRAME_BYTES
    assert next(frames) == Audio(1, bytes(1000))


def test_a_later_versions_greeting_tells_its_version() -> None:
    assert parsed(raw(1, b"RTE-LINK\x09\x00" + b"what may come")) == [Hello(9, bytes(32))]
    assert parsed(encode(Hello(1, NONCE))) == [Hello(1, NONCE)]


def test_a_reason_is_safe_to_log() -> None:
    assert parsed(raw(5, b"bad\nnews\x1b[0m")) == [Refused("bad?news?[0m")]
    assert parsed(encode(Refused("k\u00e9y" * 100))) == [Refused(("k?y" * 100)[:200])]
