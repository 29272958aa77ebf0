"""How the numbers of a run are written: 1999, 21st, 3.14, $5.20, 12%, 10:30, -5, 5551234.

Pure. Scans a run from left to right and takes the longest number at each word; what no number
begins with stays a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from server.numbers_grammar import (
    read_below_hundred,
    read_clock,
    read_decimals,
    read_figures,
    read_integer,
    read_year,
    word_at,
)
from server.numbers_vocabulary import (
    CENTS,
    CURRENCIES,
    JOINERS,
    MINUS,
    NUMBERS,
    ORDINALS,
    SCALES,
    ZERO,
)

_ALONE_FROM: Final = 3  # a smaller number that stands alone stays a word: "one of them"


class Written(NamedTuple):
    """A written token: words ``start`` to ``end`` of the run."""

    start: int
    end: int
    text: str
    is_small: bool = False
    """Written as a word unless there is another number beside it."""


def write_run(run: Sequence[str], before: str) -> list[Written]:
    """The numbers of a run, in order. ``before`` is the word in front of the run, or ""."""
    found: list[Written] = []
    position = 0
    while position < len(run):
        previous = run[position - 1] if position else before
        numbers = _number_at(run, position, previous) or [Written(position, position + 1, "")]
        found += [number for number in numbers if number.text]
        position = numbers[-1].end
    return [number for number in found if not number.is_small or _has_neighbour(number, found, run)]


def _has_neighbour(number: Written, found: Sequence[Written], run: Sequence[str]) -> bool:
    """Whether another number is right beside it, or behind an "and", a "plus", ..."""
    for left, right in pairwise(found):
        between = run[left.end : right.start]
        beside = not between or (len(between) == 1 and between[0] in JOINERS)
        if beside and number in {left, right}:
            return True
    return False


def _number_at(run: Sequence[str], start: int, previous: str) -> list[Written]:
    """What is written for the number that begins at ``start``: none, or its tokens in order."""
    if run[start] in MINUS and previous not in NUMBERS:
        numbers = _unsigned_at(run, start + 1, run[start])
        if not numbers or run[start + 1] in ORDINALS:
            return []
        first = numbers[0]
        signed = first._replace(start=start, text=f"-{first.text}", is_small=False)
        return [signed, *numbers[1:]]
    return _unsigned_at(run, start, previous)


def _unsigned_at(run: Sequence[str], start: int, previous: str) -> list[Written]:
    for reader in (_clock_at, _year_at, _figures_at, _integer_at):
        if found := reader(run, start, previous):
            return found
    return []


def _clock_at(run: Sequence[str], start: int, previous: str) -> list[Written]:
    end, text = read_clock(run, start, previous)
    return [Written(start, end, text)] if text else []


def _year_at(run: Sequence[str], start: int, _previous: str) -> list[Written]:
    end, text = read_year(run, start)
    return _with_unit(run, Written(start, end, text)) if text else []


def _figures_at(run: Sequence[str], start: int, _previous: str) -> list[Written]:
    end, text = read_figures(run, start)
    return _with_decimals(run, Written(start, end, text)) if text else []


def _integer_at(run: Sequence[str], start: int, previous: str) -> list[Written]:
    if word_at(run, start) in ZERO:
        return _with_decimals(run, Written(start, start + 1, "0", is_small=True))
    number = read_integer(run, start, previous)
    if number is None:
        return []
    if not number.is_ordinal:
        is_small = number.value < _ALONE_FROM
        return _with_decimals(run, Written(start, number.end, str(number.value), is_small))
    if number.value < _ALONE_FROM:
        return []
    return [Written(start, number.end, f"{number.value}{_ordinal_ending(number.value)}")]


def _ordinal_ending(value: int) -> str:
    if value % 100 in {11, 12, 13}:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")


def _with_decimals(run: Sequence[str], number: Written) -> list[Written]:
    """Any "point ..." behind it, more than one as in an address of a computer; then the unit."""
    while word_at(run, number.end) == "point":
        end, decimals = read_decimals(run, number.end + 1)
        if not decimals:
            break
        number = Written(number.start, end, f"{number.text}.{decimals}")
    return _with_unit(run, number)


def _with_unit(run: Sequence[str], number: Written) -> list[Written]:
    """The percent sign behind the number or the currency before it, where one is said."""
    word, following = word_at(run, number.end), word_at(run, number.end + 1)
    if word == "percent" or (word, following) == ("per", "cent"):
        end = number.end + (1 if word == "percent" else 2)
        return [Written(number.start, end, f"{number.text}%")]
    if word in SCALES and following in CURRENCIES:  # 1.5 million dollars: "$1.5", "million"
        sign = CURRENCIES[following]
        scale = Written(number.end, number.end + 2, word)
        return [Written(number.start, number.end, f"{sign}{number.text}"), scale]
    if word in CURRENCIES:
        end, cents = _cents_at(run, number.end + 1) if number.text.isdecimal() else (0, "")
        return [
            Written(number.start, end or number.end + 1, f"{CURRENCIES[word]}{number.text}{cents}")
        ]
    return [number]


def _cents_at(run: Sequence[str], start: int) -> tuple[int, str]:
    """Behind whole dollars, "and twenty cents": ".20". (0, "" where that does not follow.)"""
    number = read_below_hundred(run, start + (word_at(run, start) == "and"), "")
    if number is None or number.is_ordinal or word_at(run, number.end) not in CENTS:
        return 0, ""
    return number.end + 1, f".{number.value:02}"
