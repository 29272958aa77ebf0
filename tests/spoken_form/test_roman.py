"""Roman numerals and words of the same letters."""

from __future__ import annotations

import pytest

from spoken_form.roman import speak_roman


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Henry VIII", "Henry the eighth"),
        ("Pius X", "Pius the tenth"),
        ("World War II", "World War two"),
        ("chapter XLIV", "chapter forty four"),
        ("Act I", "Act one"),
        ("the part I played", "the part I played"),
        ("MIX it", "MIX it"),
        ("I", "I"),
        ("IIII", "IIII"),
        ("XIVst", "XIVst"),
        ("Book MCMXC", "Book one thousand nine hundred ninety"),
        ("Mary I", "Mary I"),
    ],
)
def test_roman(written: str, spoken: str) -> None:
    assert speak_roman(written) == spoken
