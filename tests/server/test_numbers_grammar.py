"""The readers of numbers: where each begins, where it ends, and what it leaves alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.numbers_grammar import (
    Reading,
    read_below_hundred,
    read_clock,
    read_decimals,
    read_figures,
    read_integer,
    read_year,
    word_at,
)
from server.numbers_vocabulary import FOLLOWERS, PARTS

ANY_RUN = st.lists(st.sampled_from(sorted(PARTS | FOLLOWERS)), min_size=1, max_size=8)


def test_word_past_the_end() -> None:
    assert (word_at(["one"], 0), word_at(["one"], 1)) == ("one", "")


@pytest.mark.parametrize(
    ("said", "previous", "expected"),
    [
        ("two thousand and five", "", Reading(4, 2005)),
        ("two thousand and", "", Reading(2, 2000)),
        ("twelve hundred five", "", Reading(3, 1205)),
        ("two hundred five hundred", "", Reading(2, 200)),
        ("two hundred five thousand", "", Reading(4, 205_000)),
        ("two thousand five million", "", Reading(2, 2000)),
        ("one thousand twelve hundred", "", Reading(2, 1000)),
        ("one hundred twenty first", "", Reading(4, 121, is_ordinal=True)),
        ("two hundredth", "", Reading(2, 200, is_ordinal=True)),
        ("one thousandth", "", Reading(2, 1000, is_ordinal=True)),
        ("a hundred", "", Reading(2, 100)),
        ("a hundred", "half", None),
        ("a thousand", "of", None),
        ("a cat", "", None),
        ("third", "", Reading(1, 3, is_ordinal=True)),
        ("third", "one", None),
        ("third", "a", None),
        ("hundred", "", None),
        ("zero", "", None),
    ],
)
def test_integers(said: str, previous: str, expected: Reading | None) -> None:
    assert read_integer(said.split(), 0, previous) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("twenty five", Reading(2, 25)),
        ("twenty zero", Reading(1, 20)),
        ("twenty twenty", Reading(1, 20)),
        ("five five", Reading(1, 5)),
        ("twenty-five", Reading(1, 25)),
        ("and", None),
    ],
)
def test_below_hundred(said: str, expected: Reading | None) -> None:
    assert read_below_hundred(said.split(), 0, "") == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("five oh double seven", (4, "5077")),
        ("triple oh", (2, "000")),
        ("oh oh oh", (0, "")),
        ("five five", (0, "")),
        ("double double seven", (0, "")),
        ("one two three hundred", (0, "")),
        ("one two three four hundred", (3, "123")),
    ],
)
def test_figures(said: str, expected: tuple[int, str]) -> None:
    assert read_figures(said.split(), 0) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("one four cats", (2, "14")),
        ("oh five million", (2, "05")),
        ("fourteen", (1, "14")),
        ("twenty five", (2, "25")),
        ("first", (0, "")),
        ("", (0, "")),
    ],
)
def test_decimals(said: str, expected: tuple[int, str]) -> None:
    assert read_decimals(said.split(), 0) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("nineteen ninety nine", (3, "1999")),
        ("eighteen oh five", (3, "1805")),
        ("nineteen nineties", (2, "1990s")),
        ("eighteen hundreds", (2, "1800s")),
        ("ten sixty six", (3, "1066")),
        ("ten thirty", (0, "")),
        ("eighteen oh", (0, "")),
        ("twenty one", (0, "")),
        ("thirty thirty", (0, "")),
        ("nineteen twenty thousand", (0, "")),
        ("nineteen ninety first", (0, "")),
    ],
)
def test_years(said: str, expected: tuple[int, str]) -> None:
    assert read_year(said.split(), 0) == expected


@pytest.mark.parametrize(
    ("said", "previous", "expected"),
    [
        ("ten thirty p m", "", (2, "10:30")),
        ("ten thirty p", "", (0, "")),
        ("ten thirty", "at", (2, "10:30")),
        ("ten oh five", "at", (3, "10:05")),
        ("ten thirty", "", (0, "")),
        ("thirteen thirty", "at", (0, "")),
        ("ten sixty", "at", (0, "")),
        ("ten thirty dollars", "at", (0, "")),
        ("ten thirty thousand", "at", (0, "")),
    ],
)
def test_clock(said: str, previous: str, expected: tuple[int, str]) -> None:
    assert read_clock(said.split(), 0, previous) == expected


@given(ANY_RUN, st.data())
def test_readers_go_forward_and_stay_inside_the_run(run: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(run) - 1))
    for reader in (read_figures, read_decimals, read_year):
        end, text = reader(run, start)
        assert start < end <= len(run) if text else end == start
    end, text = read_clock(run, start, "at")
    assert start < end <= len(run) if text else end == start
    integer = read_integer(run, start, "")
    assert integer is None or start < integer.end <= len(run)
