"""Numbers as digits: a table of readings, and what may be called stable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from text_to_num import alpha2digit

from server import text2int
from server.text2int import convert
from shm.records import Word

PLAIN = ["cats", "of", "half", "the", "is", "thousands", "don't", "dear"]
SIMPLE_NUMBERS = ["zero", "one", "two", "five", "ten", "twelve", "twenty", "ninety", "first"]
NUMBER_PARTS = [
    *SIMPLE_NUMBERS,
    *["second", "third", "twenty-two", "hundred", "thousand", "million", "sixtieth"],
    *["a", "and", "point", "plus", "oh", "o"],
]
VOCABULARY = st.sampled_from(NUMBER_PARTS + PLAIN)
TEXTS = st.lists(VOCABULARY, max_size=14)


def spoken(texts: Sequence[str], n_stable: int = 0) -> list[Word]:
    """Words of 80 ms, one every 100 ms, the first ``n_stable`` of them stable."""
    return [
        Word(text, 0.9, 100 * index, 100 * index + 80, stable=index < n_stable)
        for index, text in enumerate(texts)
    ]


def written(text: str) -> str:
    return " ".join(word.text for word in convert(spoken(text.split())))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # cardinals
        ("seventy two", "72"),
        ("twenty-two", "22"),
        ("TWENTY Two", "22"),
        ("one hundred and two", "102"),
        ("one hundred and cats", "100 and cats"),
        ("two thousand and twenty four", "2024"),
        ("twelve hundred", "1200"),
        ("ten million three hundred thousand and five", "10300005"),
        ("thirty seconds", "30 seconds"),
        # "a" and the scales
        ("a hundred dollars", "100 dollars"),
        ("a hundred and two", "102"),
        ("half a million", "half a million"),
        ("one of a thousand", "one of a thousand"),
        ("several hundred", "several hundred"),
        ("thousands of people", "thousands of people"),
        ("the first hundred days", "the first 100 days"),
        # decimals
        ("three point one four", "3.14"),
        ("three point oh five", "3.05"),
        ("zero point five", "0.5"),
        ("one point five million", "1.5 million"),
        ("point five", "point 5"),
        # numbers in a row; nothing tells a year from two numbers
        ("one two three four", "1 2 3 4"),
        ("nineteen eighty four", "19 84"),
        ("zero zero seven", "007"),
        ("five oh five", "5 05"),
        ("oh seven", "oh 7"),
        ("twenty oh dear", "20 oh dear"),
        # "and" and "plus" between two numbers
        ("between twenty and five hundred", "between 20 and 500"),
        ("two and three", "2 and 3"),
        ("two plus two", "2 plus 2"),
        # small numbers alone
        ("one of them", "one of them"),
        ("no one", "no one"),
        ("one and only", "one and only"),
        ("flight one two", "flight 1 2"),
        ("three quarters", "3 quarters"),
        # ordinals
        ("twenty first", "21st"),
        ("the sixtieth time", "the 60th time"),
        ("the first time", "the first time"),
        ("wait a second", "wait a second"),
        # fractions and plurals
        ("one third of it", "one third of it"),
        ("a fifth of it", "a fifth of it"),
        ("on all fours", "on all fours"),
        # not numbers at all
        ("don't call o'clock twenty's", "don't call o'clock twenty's"),
        ("o brother", "o brother"),
        ("", ""),
    ],
)
def test_reading(said: str, expected: str) -> None:
    assert written(said) == expected


def test_library_reads_every_number_word() -> None:
    for word in sorted(text2int._NUMBERS - text2int._LIBRARY_SPELLING.keys()):
        assert alpha2digit(word, "en", threshold=0.0) != word, word
    for spelling in text2int._LIBRARY_SPELLING.values():
        assert alpha2digit(spelling, "en", threshold=0.0) != spelling


def test_number_covers_its_words_and_is_as_sure_as_the_least_sure() -> None:
    words = [
        Word("about", 0.99, 0, 90, stable=False),
        Word("seventy", 0.8, 100, 300, stable=False),
        Word("two", 0.5, 350, 500, stable=False),
    ]
    assert convert(words) == (words[0], Word("72", 0.5, 100, 500, stable=False))


@pytest.mark.parametrize(
    ("said", "n_stable", "expected"),
    [
        ("cats twenty", 2, [True, False]),  # "two" may follow
        ("twenty two cats", 2, [False, False]),  # "cats" may turn out as "hundred"
        ("twenty two cats", 3, [True, True]),
        ("cats and", 2, [True, True]),  # no number begins with "and"
        ("one hundred and", 3, [False, False]),
        ("this is a", 3, [True, True, False]),  # "hundred" may follow
        ("cats a dear", 3, [True, True, True]),
        ("one", 1, [False]),
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


@given(st.lists(st.sampled_from(sorted({*NUMBER_PARTS, *PLAIN} - text2int._ORDINALS)), max_size=14))
def test_converting_twice_changes_nothing_more(texts: list[str]) -> None:
    """Ordinals aside: "zero one third" is "01 third", where nothing shows a fraction any more."""
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


@given(st.lists(st.sampled_from([*SIMPLE_NUMBERS, "cats", "of", "the"]), max_size=12))
def test_reading_runs_apart_is_reading_the_whole(texts: list[str]) -> None:
    """Where no rule of ours applies the library gives the same for the whole text at once."""
    text = " ".join(texts)
    assume("one first" not in text)  # a fraction to us
    assert written(text) == alpha2digit(text, "en")
