"""Transcripts in the model's spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.train.text import normalised


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("God bless 'em, I hope I'll go.", "god bless em i hope i'll go"),
        ("A well-known caf\u00e9\u2014yes!", "a well known cafe yes"),
        ("it\u2019s the boys' \u201cown\u201d", "it's the boys own"),
        ("  rock   'n' roll ", "rock n roll"),
    ],
)
def test_spelling(written: str, spelled: str) -> None:
    assert normalised(written) == spelled


@pytest.mark.parametrize(
    "written", ["in 1984", "salt & pepper", "5%", "\u041c\u043e\u0441\u043a\u0432\u0430", "...", ""]
)
def test_lines_whose_words_are_unknown_are_refused(written: str) -> None:
    assert normalised(written) is None


@given(st.text())
def test_what_is_spelled_is_in_the_vocabulary_and_stays(written: str) -> None:
    spelled = normalised(written)
    if spelled is not None:
        assert set(spelled) <= set(" 'abcdefghijklmnopqrstuvwxyz")
        assert normalised(spelled) == spelled
