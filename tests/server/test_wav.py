from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.wav import MAX_HEADER_BYTES, WavError, WavHeaderSkipper
from tests.server.wav_files import chunk, fmt_chunk, riff

AUDIO = bytes(range(1, 101))
HEADERS = {
    "plain": riff(fmt_chunk()),
    "unknown length, as streaming encoders write it": riff(fmt_chunk(), data_bytes=0xFFFF_FFFF),
    "extensible": riff(fmt_chunk(code=0xFFFE, extra=bytes(24))),
    "a list of odd length before the data": riff(fmt_chunk(), chunk(b"LIST", b"INFOx")),
    "junk before the format": riff(chunk(b"JUNK", bytes(28)), fmt_chunk()),
    "no format at all": riff(),
}


def heard(skipper: WavHeaderSkipper, pieces: list[bytes]) -> bytes:
    return b"".join(skipper.feed(piece) for piece in pieces)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_the_header_is_skipped(header: bytes) -> None:
    assert heard(WavHeaderSkipper(16_000), [header + AUDIO]) == AUDIO


@given(header=st.sampled_from([*HEADERS.values(), b""]), cuts=st.lists(st.integers(0, 300)))
def test_any_split_gives_the_same_audio(header: bytes, cuts: list[int]) -> None:
    assert heard(WavHeaderSkipper(16_000), cut(header + AUDIO, cuts)) == AUDIO


@given(data=st.binary(max_size=80), cuts=st.lists(st.integers(0, 80)))
@example(data=b"RIFF", cuts=[])
@example(data=b"RI", cuts=[1])
@example(data=b"RIFF\0\0\0\0WAV", cuts=[4, 8])
@example(data=b"RIFF\0\0\0\0WAVX and more", cuts=[9])
@example(data=b"RIFX\0\0\0\0WAVE", cuts=[3])
def test_what_is_no_header_is_audio(data: bytes, cuts: list[int]) -> None:
    """However it begins and is cut: what was held back comes when the stream pauses."""
    skipper = WavHeaderSkipper(16_000)
    audio = heard(skipper, cut(data, cuts)) + skipper.flush()
    is_header = data[:4] == b"RIFF" and data[8:12] == b"WAVE"
    assert audio == (b"" if is_header else data)


def test_only_the_start_of_the_stream_is_looked_at() -> None:
    skipper = WavHeaderSkipper(16_000)
    header = HEADERS["plain"]
    assert heard(skipper, [AUDIO, header, header]) == AUDIO + header + header


def test_a_start_that_was_held_back_and_given_is_no_header_any_more() -> None:
    skipper = WavHeaderSkipper(16_000)
    assert skipper.feed(b"RIFF") == b""
    assert skipper.flush() == b"RIFF"
    assert skipper.feed(b"\0\0\0\0WAVE") == b"\0\0\0\0WAVE"
    assert skipper.flush() == b""


def test_a_pause_before_the_first_byte_changes_nothing() -> None:
    skipper = WavHeaderSkipper(16_000)
    assert skipper.flush() == b""
    assert skipper.feed(HEADERS["plain"] + AUDIO) == AUDIO


def test_a_header_goes_on_after_a_pause() -> None:
    skipper = WavHeaderSkipper(16_000)
    header = HEADERS["plain"]
    assert skipper.feed(header[:20]) == b""
    assert skipper.flush() == b""
    assert skipper.feed(header[20:] + AUDIO) == AUDIO


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (riff(fmt_chunk(channels=2)), "2 channel(s), 16 bits: send 16-bit mono PCM"),
        (riff(fmt_chunk(bits=8)), "1 channel(s), 8 bits: send 16-bit mono PCM"),
        (riff(fmt_chunk(code=3, bits=32)), "format 3, 1 channel(s), 32 bits"),
        (riff(fmt_chunk(code=7, bits=8)), "format 7"),
        (
            riff(fmt_chunk(8000)),
            "8000 Hz, the connection 16000 Hz: connect with ?downsample=True&sampleRate=8000",
        ),
        (riff(chunk(b"LIST", bytes(MAX_HEADER_BYTES))), "more than 65536 bytes"),
    ],
)
@pytest.mark.parametrize("step", [100_000, 1000, 38])
def test_audio_of_another_kind_is_refused(header: bytes, said: str, step: int) -> None:
    skipper = WavHeaderSkipper(16_000)
    with pytest.raises(WavError) as refused:
        heard(skipper, [header[at : at + step] for at in range(0, len(header), step)])
    assert said in str(refused.value)


def test_a_header_that_does_not_end_is_refused() -> None:
    skipper = WavHeaderSkipper(16_000)
    endless = HEADERS["plain"][:-8] + chunk(b"JUNK", bytes(2 * MAX_HEADER_BYTES))
    with pytest.raises(WavError, match="is not taken"):
        heard(skipper, [endless[at : at + 4096] for at in range(0, len(endless), 4096)])
