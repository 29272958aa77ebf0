"""Numbers as digits: a table of readings, what may be called stable, and no flicker."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from server.numbers_vocabulary import FOLLOWERS, ORDINALS
from server.text2int import convert
from shm.records import Word

TABLE = Path(__file__).parents[1] / "data" / "text2int.tsv"
PLAIN = ["cats", "of", "half", "the", "is", "thousands", "don't", "dear", "at"]
NUMBER_PARTS = [
    *["zero", "one", "two", "five", "ten", "twelve", "twenty", "ninety", "first"],
    *["second", "third", "twenty-two", "hundred", "thousand", "million", "sixtieth"],
    *["a", "and", "point", "plus", "minus", "oh", "o", "double", "nineteen"],
]
FOLLOWING = sorted(FOLLOWERS)
VOCABULARY = st.sampled_from(NUMBER_PARTS + FOLLOWING + PLAIN)
TEXTS = st.lists(VOCABULARY, max_size=14)


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def spoken(texts: Sequence[str], n_stable: int = 0) -> list[Word]:
    """Words of 80 ms, one every 100 ms, the first ``n_stable`` of them stable."""
    return [
        Word(text, 0.9, 100 * index, 100 * index + 80, stable=index < n_stable)
        for index, text in enumerate(texts)
    ]


def written(text: str) -> str:
    return " ".join(word.text for word in convert(spoken(text.split())))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["spoken"])
def test_table(row: dict[str, str]) -> None:
    assert written(row["spoken"]) == row["written"]


def test_table_is_large_and_covers_every_kind() -> None:
    cases = rows()
    counts = Counter(row["category"] for row in cases)
    assert len({row["spoken"] for row in cases}) == len(cases) >= 150
    assert counts["unchanged"] >= 30
    for category in ("cardinal", "decimal", "digits", "year", "money", "percent", "clock"):
        assert counts[category] >= 10, category
    for category in ("ordinal", "decade", "negative", "mixed", "row"):
        assert counts[category] >= 5, category
    unchanged = [row for row in cases if row["category"] == "unchanged"]
    assert all(row["spoken"] == row["written"] for row in unchanged)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["spoken"])
def test_no_flicker_while_the_words_arrive(row: dict[str, str]) -> None:
    """What is written from a word on never goes back to a form that it has left."""
    texts = row["spoken"].split()
    prefixes = [convert(spoken(texts[:n])) for n in range(1, len(texts) + 1)]
    for index in range(len(texts)):
        shown = [w.text for words in prefixes for w in words if w.start_ms == 100 * index]
        forms = [form for form, _ in groupby(shown)]
        assert len(forms) == len(set(forms)), forms


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("two hundred five hundred", ["two", "200", "205", "200 500"]),
        ("two thousand five million", ["two", "2000", "2005", "2000 5000000"]),
        ("at five fifty dollars", ["at", "at 5", "at 5:50", "at 5 $50"]),
        ("one two three hundred", ["one", "1 2", "123", "1 2 300"]),
    ],
)
def test_numbers_in_a_row_are_put_right_by_their_last_word(said: str, shown: list[str]) -> None:
    """The known cases of going back: until then the words were one number, and may have been it."""
    texts = said.split()
    assert [written(" ".join(texts[:n])) for n in range(1, len(texts) + 1)] == shown


@given(st.integers(3, 10**12))
def test_every_cardinal(number: int) -> None:
    said = num2words(number).replace(",", "").replace("-", " ")
    assert written(said) == written(said.replace(" and ", " ")) == str(number)


@given(st.integers(3, 10**6))
def test_every_ordinal(number: int) -> None:
    said = num2words(number, to="ordinal").replace(",", "").replace("-", " ")
    assert written(said) == num2words(number, to="ordinal_num")


@given(st.integers(1300, 2099))
def test_every_year(year: int) -> None:
    assert written(num2words(year, to="year").replace("-", " ")) == str(year)


@given(st.from_regex(r"[0-9]{3,16}", fullmatch=True).filter(lambda figures: figures.strip("0")))
def test_any_figures_one_by_one(figures: str) -> None:
    said = [num2words(int(figure)) if figure != "0" else "oh" for figure in figures]
    assert written(" ".join(said)) == figures


def test_number_covers_its_words_and_is_as_sure_as_the_least_sure() -> None:
    words = [
        Word("about", 0.99, 0, 90, stable=False),
        Word("seventy", 0.8, 100, 300, stable=False),
        Word("two", 0.5, 350, 500, stable=False),
    ]
    assert convert(words) == (words[0], Word("72", 0.5, 100, 500, stable=False))


def test_money_covers_the_words_for_its_signs() -> None:
    words = spoken(["pay", "five", "dollars", "and", "twenty", "cents"])
    assert convert(words) == (words[0], Word("$5.20", 0.9, 100, 580, stable=False))


@pytest.mark.parametrize(
    ("said", "n_stable", "expected"),
    [
        ("cats twenty", 2, [True, False]),  # "two" may follow
        ("twenty two cats", 2, [False, False]),  # "cats" may turn out as "hundred"
        ("twenty two cats", 3, [True, True]),
        ("cats and", 2, [True, True]),  # no number begins with "and"
        ("cats minus", 2, [True, False]),  # but "minus" is a sign
        ("one hundred and", 3, [False, False]),
        ("this is a", 3, [True, True, False]),  # "hundred" may follow
        ("cats a dear", 3, [True, True, True]),
        ("one", 1, [False]),
        ("five dollars", 2, [False]),  # "and twenty cents" may follow
        ("dollars", 1, [True]),
        ("ten thirty p", 3, [False, False, False]),  # "m" may follow
    ],
)
def test_stability(said: str, n_stable: int, expected: list[bool]) -> None:
    assert [word.stable for word in convert(spoken(said.split(), n_stable))] == expected


@given(TEXTS, st.data())
def test_stable_word_never_changes(texts: list[str], data: st.DataObject) -> None:
    """The stable words grow, whatever is guessed after them comes and goes."""
    fixed: tuple[Word, ...] = ()
    for n_stable in range(len(texts) + 1):
        guess = data.draw(st.lists(VOCABULARY, max_size=3))
        now = convert(spoken(texts[:n_stable] + guess, n_stable))
        assert now[: len(fixed)] == fixed
        stable = [word.stable for word in now]
        assert stable == sorted(stable, reverse=True)
        fixed = now[: sum(stable)]


@given(TEXTS)
def test_plain_words_close_what_is_before_them(texts: list[str]) -> None:
    words = spoken([*texts, "cats"], len(texts) + 1)
    assert all(word.stable for word in convert(words))


@given(TEXTS, st.data())
def test_written_words_tile_the_spoken_ones(texts: list[str], data: st.DataObject) -> None:
    words = spoken(texts, data.draw(st.integers(0, len(texts))))
    result = convert(words)
    starts = [word.start_ms for word in words]
    ends = [word.end_ms for word in words]
    edges = [(starts.index(word.start_ms), ends.index(word.end_ms)) for word in result]
    covered = [index for first, last in edges for index in range(first, last + 1)]
    assert covered == list(range(len(words)))


@given(st.lists(st.sampled_from(sorted({*NUMBER_PARTS, *PLAIN} - ORDINALS.keys())), max_size=14))
def test_converting_twice_changes_nothing_more(texts: list[str]) -> None:
    """Ordinals aside: "zero one third" is "0 1 third", where nothing shows a fraction any more."""
    once = convert(spoken(texts))
    assert convert(once) == once


@given(st.lists(st.sampled_from([*PLAIN, "and", "Plus", "'", ""]), max_size=10), st.data())
def test_words_without_numbers_are_unchanged(texts: list[str], data: st.DataObject) -> None:
    words = spoken(texts, data.draw(st.integers(0, len(texts))))
    assert [replace(word, stable=True) for word in convert(words)] == [
        replace(word, stable=True) for word in words
    ]
    plain_only = [word for word in words if word.text in PLAIN]
    assert convert(plain_only) == tuple(plain_only)
