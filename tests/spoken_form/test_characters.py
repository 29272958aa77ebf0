"""One character for many, and letters only."""

from __future__ import annotations

import pytest

from spoken_form.characters import fold_characters, letters_only


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("café Ærø straße", "cafe Aero strasse"),
        ("don\u2019t \u201cgo\u201d", 'don\'t "go"'),
        ("1914\u201318", "1914-18"),
        ("3½", "3 1/2"),
        ("\uff12\uff13", "23"),
        ("m²", "m squared"),
        ("`tis", "'tis"),
    ],
)
def test_fold(written: str, spoken: str) -> None:
    assert fold_characters(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Don't -- go!", "don't go"),
        ("'tis the boys'", "tis the boys"),
        ("rock 'n' roll", "rock n roll"),
        ("''", ""),
        ("你好", ""),
    ],
)
def test_letters(written: str, spoken: str) -> None:
    assert letters_only(written) == spoken
