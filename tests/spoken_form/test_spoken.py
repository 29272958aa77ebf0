"""The whole function: its table, its alphabet, and that it stays where it is."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spoken_form import to_spoken

TABLE = Path(__file__).parents[1] / "data" / "spoken_form.tsv"
SPOKEN = re.compile(r"(?:[a-z]+(?:'[a-z]+)*(?: (?=[a-z])|$))*")
SPOKEN_WORDS = st.lists(st.from_regex(r"[a-z]{1,9}('[a-z]{1,3})?", fullmatch=True))
PIECES_LISTED = (
    "$ £ € % ° ' \" - / : . , # & + ( ) [ ] * ½ 1 0 23 1999 05 st th s d am p.m. km Mr. Dr. St. "
    "No. January May XIV II TV U.S. OK a The smith 1,000 ٣ é œ ♪ \u2013"
)
LONG_PIECES = "1, 1. a. A 1- [ ( ' $1 1/ II ¼"
PIECES = st.sampled_from([*PIECES_LISTED.split(), " ", "  ", "\n"])


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["written"][:40] or "empty")
def test_table(row: dict[str, str]) -> None:
    assert to_spoken(row["written"]) == row["spoken"]


def test_table_has_several_cases_of_each_kind() -> None:
    counts = Counter(row["category"] for row in rows())
    assert sum(counts.values()) >= 80
    assert set(counts.values()) > {2}
    assert min(counts.values()) >= 1


@given(st.text())
def test_alphabet_over_all_of_unicode(text: str) -> None:
    said = to_spoken(text)
    assert SPOKEN.fullmatch(said), said
    assert to_spoken(said) == said


@given(st.lists(PIECES, max_size=12).map("".join))
def test_alphabet_over_pieces_that_mean_something(text: str) -> None:
    said = to_spoken(text)
    assert SPOKEN.fullmatch(said), said
    assert to_spoken(said) == said


@given(SPOKEN_WORDS)
def test_spoken_text_comes_back_as_it_is(words: list[str]) -> None:
    text = " ".join(words)
    assert to_spoken(text) == text


@given(SPOKEN_WORDS)
@example(["mr'a", "ok'd"])
def test_plain_words_lose_only_their_dress(words: list[str]) -> None:
    """Capital, comma and quotation marks: no word of these is an abbreviation."""
    words = [word for word in words if len(word) > 3]
    written = ", ".join(f"“{word[0].upper()}{word[1:]}”" for word in words)
    assert to_spoken(written) == " ".join(words)


@pytest.mark.parametrize("piece", LONG_PIECES.split())
def test_long_text_of_one_piece(piece: str) -> None:
    """Nothing is refused for its length; a pattern that backtracks would not come back."""
    assert SPOKEN.fullmatch(to_spoken(piece * 20_000))
