"""Clock times and dates."""

from __future__ import annotations

import pytest

from spoken_form.times import speak_times


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("10:30", "ten thirty"),
        ("3 p.m.", "3 p m"),
        ("3 am", "3 a m"),
        ("I am 3 amp", "I am 3 amp"),
        ("12:05 AM", "twelve oh five a m"),
        ("9:00", "nine o'clock"),
        ("1:02:03", "one oh two oh three"),
        ("9:00-10:00 pm", "nine o'clock to ten p m"),
        ("2:1", "two to one"),
        ("1999-12-05", "december fifth nineteen ninety nine"),
        ("13/1/2001", "january thirteenth two thousand one"),
        ("13/13/2001", "thirteen thirteen two thousand one"),
        ("Jan. 5", "january fifth"),
        ("May 2020", "May 2020"),
        ("the 5 May 1999", "the fifth of may nineteen ninety nine"),
        ("March 1-4, 1805", "march first to fourth eighteen oh five"),
        ("April 32", "April 32"),
    ],
)
def test_times(written: str, spoken: str) -> None:
    assert " ".join(speak_times(written).split()) == spoken
