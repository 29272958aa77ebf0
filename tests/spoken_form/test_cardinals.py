"""How figures are read."""

from __future__ import annotations

import pytest

from spoken_form.cardinals import (
    by_figures,
    cardinal,
    number,
    number_or_year,
    ordinal,
    plural,
    year,
)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("0", "zero"),
        ("105", "one hundred five"),
        ("1,200", "one thousand two hundred"),
        ("007", "oh oh seven"),
        ("1234567", "one two three four five six seven"),
        ("1000000", "one million"),
        ("1,234,567", "one million two hundred thirty four thousand five hundred sixty seven"),
        (
            "1111111111111111111",
            "one one one one one one one one one one one one one one one one one one one",
        ),
    ],
)
def test_cardinal(written: str, spoken: str) -> None:
    assert cardinal(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("21", "twenty first"),
        ("100", "one hundredth"),
        ("1,001", "one thousand first"),
        (
            "1111111111111111111",
            "one one one one one one one one one one one one one one one one one one one",
        ),
    ],
)
def test_ordinal(written: str, spoken: str) -> None:
    assert ordinal(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("3.05", "three point zero five"),
        (".5", "point five"),
        ("12", "twelve"),
    ],
)
def test_number(written: str, spoken: str) -> None:
    assert number(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1805", "eighteen oh five"),
        ("1900", "nineteen hundred"),
        ("2000", "two thousand"),
        ("2005", "two thousand five"),
        ("2023", "twenty twenty three"),
        ("1066", "ten sixty six"),
    ],
)
def test_year(written: str, spoken: str) -> None:
    assert year(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1099", "one thousand ninety nine"),
        ("1100", "eleven hundred"),
        ("2099", "twenty ninety nine"),
        ("2100", "two thousand one hundred"),
        ("1,999", "one thousand nine hundred ninety nine"),
    ],
)
def test_number_or_year(written: str, spoken: str) -> None:
    assert number_or_year(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("5-0 5", "five oh five"),
        ("", ""),
    ],
)
def test_by_figures(written: str, spoken: str) -> None:
    assert by_figures(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("ninety", "nineties"),
        ("six", "sixes"),
        ("hundred", "hundreds"),
    ],
)
def test_plural(written: str, spoken: str) -> None:
    assert plural(written) == spoken
