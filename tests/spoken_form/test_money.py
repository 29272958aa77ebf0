"""Sums of money, and what only looks like one."""

from __future__ import annotations

import pytest

from spoken_form.money import speak_money


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("$1", "one dollar"),
        ("$5.20", "five dollars and twenty cents"),
        ("$5.01", "five dollars and one cent"),
        ("$0.00", "zero dollars"),
        ("£2.50", "two pounds and fifty pence"),
        ("£1 1s. 1d.", "one pound one shilling one penny"),
        ("£2 6d.", "two pounds six pence"),
        ("$5.2", "five point two dollars"),
        ("€3k", "three thousand euros"),
        ("a $5-bill", "a five dollar bill"),
        ("-$2", "minus two dollars"),
        ("$5-$10", "five to ten dollars"),
        ("1¢", "one cent"),
        ("$", "$"),
        ("5 dollars", "5 dollars"),
    ],
)
def test_money(written: str, spoken: str) -> None:
    assert " ".join(speak_money(written).split()) == spoken
