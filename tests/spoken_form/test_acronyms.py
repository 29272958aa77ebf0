"""Which capitals are letters."""

from __future__ import annotations

import pytest

from spoken_form.acronyms import speak_acronyms


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("U.S. law", "U S law"),
        ("a.k.a. him", "a k a him"),
        ("TV", "T V"),
        ("TVs", "T V's"),
        ("TV's", "T V's"),
        ("FBI", "F B I"),
        ("NASA", "NASA"),
        ("NO", "NO"),
        ("HMM", "HMM"),
        ("AT&T", "A T and T"),
        ("end. Start", "end. Start"),
    ],
)
def test_acronyms(written: str, spoken: str) -> None:
    assert " ".join(speak_acronyms(written).split()) == spoken
