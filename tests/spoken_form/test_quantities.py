"""Figures that what is around them explains."""

from __future__ import annotations

import pytest

from spoken_form.quantities import speak_quantities


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("555-0134", "five five five oh one three four"),
        ("10-12", "ten to twelve"),
        ("1914-18", "nineteen fourteen to eighteen"),
        ("1/2", "one half"),
        ("1/8", "one eighth"),
        ("2/3", "two thirds"),
        ("4 1/4", "four and a quarter"),
        ("7/3", "seven three"),
        ("p. 5", "page 5"),
        ("No. 5", "number 5"),
        ("fig. 2", "figure 2"),
        ("1 km", "1 kilometer"),
        ("3 lbs", "3 pounds"),
        ("3 m", "3 m"),
        ("1°C", "1 degree celsius"),
        ("20°", "20 degrees"),
        ("2\xd74", "2 times 4"),
        ("6'2\"", "six foot two"),
        ("12K", "12 thousand"),
        ("COVID-19", "COVID-19"),
    ],
)
def test_quantities(written: str, spoken: str) -> None:
    assert " ".join(speak_quantities(written).split()) == spoken
