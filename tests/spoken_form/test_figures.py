"""All other figures; none are left."""

from __future__ import annotations

import pytest

from spoken_form.figures import speak_figures


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("21st", "twenty first"),
        ("1990s", "nineteen nineties"),
        ("'90s", "nineties"),
        ("6's", "six's"),
        ("1.2.3", "one point two point three"),
        ("0.5", "zero point five"),
        ("-5", "minus five"),
        ("(-5)", "(minus five )"),
        ("5-5", "five - five"),
        ("in 1066", "in ten sixty six"),
        ("MP3", "MP three"),
        ("1,2", "one , two"),
        ("12,345", "twelve thousand three hundred forty five"),
        ("9" * 30, " ".join(["nine"] * 30)),
    ],
)
def test_figures(written: str, spoken: str) -> None:
    assert " ".join(speak_figures(written).split()) == spoken
