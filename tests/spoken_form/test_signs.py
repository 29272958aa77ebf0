"""Signs and addresses."""

from __future__ import annotations

import pytest

from spoken_form.signs import speak_addresses, speak_signs


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("you & me", "you and me"),
        ("ten%", "ten percent"),
        ("a + b = c", "a plus b equals c"),
        ("me @ home", "me at home"),
        ("+", "+"),
    ],
)
def test_signs(written: str, spoken: str) -> None:
    assert " ".join(speak_signs(written).split()) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("see www.a-b.com", "see w w w dot a-b dot com"),
        ("https://x.org", "x dot org"),
        ("me@x.co.uk", "me at x dot co dot uk"),
        ("3.5 and end.Start", "3.5 and end.Start"),
    ],
)
def test_addresses(written: str, spoken: str) -> None:
    assert " ".join(speak_addresses(written).split()) == spoken
