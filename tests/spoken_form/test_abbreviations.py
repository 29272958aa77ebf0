"""Abbreviations, and words that only look like one."""

from __future__ import annotations

import pytest

from spoken_form.abbreviations import speak_abbreviations


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Mr. and Mrs Smith", "mister and missus Smith"),
        ("St. Paul", "saint Paul"),
        ("Main St. He left", "Main street He left"),
        ("fifth St. in", "fifth street in"),
        ("Elm Dr.", "Elm drive"),
        ("Dr. Elm", "doctor Elm"),
        ("dr. no", "doctor no"),
        ("Gen. Lee", "general Lee"),
        ("the gen. of it", "the gen. of it"),
        ("Smith Co.", "Smith company"),
        ("e.g. a, i.e. b", "for example a, that is b"),
        ("etc.", "et cetera"),
        ("OK, Ok.", "okay , okay ."),
        ("BOOK", "BOOK"),
        ("Ph.D.", "p h d"),
    ],
)
def test_abbreviations(written: str, spoken: str) -> None:
    assert " ".join(speak_abbreviations(written).split()) == spoken
