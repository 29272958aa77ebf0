"""Frames of every kind, for tests and for Hypothesis."""

from __future__ import annotations

import struct
from typing import Final

from hypothesis import strategies as st

from server.tiers.frames import (
    VERSION,
    Audio,
    Capacity,
    Challenge,
    Credit,
    Drain,
    Frame,
    Full,
    Hello,
    Mark,
    Open,
    Ping,
    Pong,
    Proof,
    Refused,
    Release,
    Result,
    Welcome,
)
from shm.records import Hypothesis, Word

KEY: Final = b"a key that both sides know"
NONCE: Final = bytes(range(32))

_u32 = st.integers(0, 2**32 - 1)
_u64 = st.integers(0, 2**64 - 1)
_certainty = st.floats(0, 1, width=32)
_words = st.builds(Word, st.text(max_size=20), _certainty, _u64, _u64, st.booleans())
_hypotheses = st.builds(
    Hypothesis, st.lists(_words, max_size=5).map(tuple), _certainty, st.booleans()
)
_audio = st.binary(min_size=1, max_size=100).map(lambda data: data * 2)

FRAMES: Final[st.SearchStrategy[Frame]] = st.one_of(
    st.builds(Hello, st.just(VERSION), st.binary(min_size=32, max_size=32)),
    st.builds(Challenge, st.integers(0, 65_535), st.binary(min_size=32, max_size=32)),
    st.builds(Proof, st.binary(min_size=32, max_size=32)),
    st.builds(
        Welcome,
        st.binary(min_size=32, max_size=32),
        st.binary(min_size=16, max_size=16),
        _u32,
        _u32,
        _u32,
    ),
    st.builds(Refused, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)),
    st.builds(Open, _u32, _u64, st.integers(0, 255)),
    st.builds(Full, _u32),
    st.builds(Credit, _u32, _u64, _u64),
    st.builds(Audio, _u32, _audio),
    st.builds(Mark, _u32),
    st.builds(Release, _u32),
    st.builds(Result, _u32, _hypotheses, st.booleans(), _u64, _u64, _u64, _u64),
    st.builds(Capacity, _u32),
    st.builds(Ping, _u64),
    st.builds(Pong, _u64),
    st.just(Drain()),
)


def result(
    *, stream: int = 1, sample: int = 0, mark: int = 0, segment: int = 0, text: str = "",
    is_final: bool = True, requested: bool = False, partial: int = 0,
) -> Result:  # fmt: skip
    """A result of ``text``."""
    words = tuple(Word(word, 0.5, 0, 10, is_final) for word in text.split())
    hypothesis = Hypothesis(words, 0.5, is_final)
    return Result(stream, hypothesis, requested, segment, sample, mark, partial)


def raw(number: int, payload: bytes) -> bytes:
    """A frame of any type and content."""
    return struct.pack("<IB", 1 + len(payload), number) + payload
