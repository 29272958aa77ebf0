"""What is a mark and what is an aside."""

from __future__ import annotations

import pytest

from spoken_form.marks import drop_marks


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("[MUSIC] hello", "hello"),
        ("so [inaudible] he said", "so he said"),
        ("(upbeat music) yes", "yes"),
        ("he (the doctor) left", "he (the doctor) left"),
        ("*clears throat* well", "well"),
        ("*really* well", "*really* well"),
        ("2 * 3 music * 4", "2 * 3 music * 4"),
        ("<|startoftranscript|> a", "a"),
        ("a [ that never closes", "a [ that never closes"),
    ],
)
def test_marks(written: str, spoken: str) -> None:
    assert " ".join(drop_marks(written).split()) == spoken
