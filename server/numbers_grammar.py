"""The grammar of spoken numbers: what is the longest number that begins at a word, if any?

Pure. Every reader takes the words of a run (see `server.text2int`) and a position in it, and
returns the position after what it has read, with its value. No reader looks outside the run, so
what is said after the run's end cannot change a reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from server.numbers_vocabulary import (
    BELOW_HUNDRED,
    CENTS,
    CURRENCIES,
    DECADES,
    FIGURES,
    HUNDRED,
    MULTIPLIERS,
    OH,
    ORDINAL_SCALES,
    ORDINAL_UNITS,
    ORDINALS,
    REPEATS,
    SCALES,
    TENS,
)

_SEQUENCE_FROM: Final = 3  # figures one after the other, from which they are one written number

_COUNTED: Final = frozenset({*CURRENCIES, *CENTS, "percent", "per", "point"})  # no time before it


class Reading(NamedTuple):
    """A whole number as it is spoken."""

    end: int
    value: int
    is_ordinal: bool = False


def word_at(run: Sequence[str], position: int) -> str:
    """The word there, or "" past the end."""
    return run[position] if position < len(run) else ""


def read_integer(run: Sequence[str], start: int, previous: str) -> Reading | None:
    """A cardinal or ordinal: "two thousand and five", "twelve hundred", "twenty first".

    ``previous`` is the word before ``start``, also where that is outside the run. "and" joins only
    what follows hundred, thousand, ... ; the multipliers get smaller: "two thousand five million"
    is two numbers. After "a" and "one" an ordinal is a fraction or a moment, and no number.
    """
    total, limit, position, end = 0, 10**15, start, start
    while (part := _below_thousand(run, position, previous)) is not None:
        previous = ""
        word = word_at(run, part.end)
        multiplier = SCALES.get(word) or (ORDINAL_SCALES.get(word) if word != "hundredth" else None)
        if part.is_ordinal or multiplier is None:
            if part.value >= limit:
                break
            return Reading(part.end, total + part.value, part.is_ordinal)
        if multiplier >= limit:
            break
        total, limit, end = total + part.value * multiplier, multiplier, part.end + 1
        if word in ORDINAL_SCALES:
            return Reading(end, total, is_ordinal=True)
        position = end + 1 if word_at(run, end) == "and" else end
    return Reading(end, total) if end > start else None


def _below_thousand(run: Sequence[str], start: int, previous: str) -> Reading | None:
    """Up to "nine hundred ninety nine", and to "ninety nine hundred ..." where it is said so."""
    if word_at(run, start) == "a":
        counts = word_at(run, start + 1) in MULTIPLIERS - ORDINAL_SCALES.keys()
        head = Reading(start + 1, 1) if counts and previous not in {"half", "of"} else None
    else:
        head = read_below_hundred(run, start, previous)
    if head is None or head.is_ordinal:
        return head
    if word_at(run, head.end) == "hundredth":
        return Reading(head.end + 1, head.value * HUNDRED, is_ordinal=True)
    if word_at(run, head.end) != "hundred":
        return head
    value, end = head.value * HUNDRED, head.end + 1
    rest = read_below_hundred(run, end + (word_at(run, end) == "and"), "")
    if rest is None or word_at(run, rest.end) in {"hundred", "hundredth"}:
        return Reading(end, value)
    return Reading(rest.end, value + rest.value, rest.is_ordinal)


def read_below_hundred(run: Sequence[str], start: int, previous: str) -> Reading | None:
    """One to ninety nine: "five", "fifteen", "twenty five", "twenty fifth"."""
    word, following = word_at(run, start), word_at(run, start + 1)
    if word in ORDINALS:
        return None if previous in {"a", "one"} else Reading(start + 1, ORDINALS[word], True)
    if word not in BELOW_HUNDRED:
        return None
    value = BELOW_HUNDRED[word]
    if word in TENS and following in ORDINAL_UNITS:
        return Reading(start + 2, value + ORDINAL_UNITS[following], is_ordinal=True)
    if word in TENS and FIGURES.get(following):
        return Reading(start + 2, value + FIGURES[following])
    return Reading(start + 1, value)


def read_figures(run: Sequence[str], start: int) -> tuple[int, str]:
    """Three or more figures one by one: "five oh double seven" is "5077". ("" for fewer.)

    "oh oh oh" has no figure in it, and a figure before hundred, thousand, ... is not one of them.
    """
    end, figures = start, ""
    while (found := _figure(run, end)) is not None:
        if word_at(run, found[0]) in MULTIPLIERS:
            break
        end, figures = found[0], figures + found[1]
    is_number = any(word not in OH for word in run[start:end])
    return (end, figures) if is_number and len(figures) >= _SEQUENCE_FROM else (start, "")


def _figure(run: Sequence[str], position: int) -> tuple[int, str] | None:
    word = word_at(run, position)
    if word in REPEATS:
        figure = _figure(run, position + 1) if word_at(run, position + 1) not in REPEATS else None
        return (figure[0], figure[1] * REPEATS[word]) if figure else None
    if word in OH:
        return position + 1, "0"
    return (position + 1, str(FIGURES[word])) if word in FIGURES else None


def read_decimals(run: Sequence[str], start: int) -> tuple[int, str]:
    """What follows a "point": figures one by one, or "fourteen". ("" where neither follows.)"""
    end, figures = start, ""
    while (found := _figure(run, end)) is not None:
        end, figures = found[0], figures + found[1]
    if figures:
        return end, figures
    number = read_below_hundred(run, start, "")
    if number is None or number.is_ordinal or number.value < 10:
        return start, ""
    return number.end, str(number.value)


def read_year(run: Sequence[str], start: int) -> tuple[int, str]:
    """A year or decade: "eighteen oh five", "nineteen nineties". ("" where it is none.)

    The century is 13 to 20: "eleven thirty" is a time or two numbers. "ten sixty six" can be no
    time and is a year.
    """
    century = BELOW_HUNDRED.get(word_at(run, start), 0)
    if 13 <= century <= 20 and word_at(run, start + 1) in DECADES:
        return start + 2, f"{century}{DECADES[run[start + 1]]:02}s"
    end, rest = _two_figures(run, start + 1)
    is_year = 13 <= century <= 20 or (10 <= century <= 12 and rest >= "60")
    if not (is_year and rest) or word_at(run, end) in MULTIPLIERS:
        return start, ""
    return end, f"{century}{rest}"


def read_clock(run: Sequence[str], start: int, previous: str) -> tuple[int, str]:
    """A time, "ten thirty", after "at" or before "a m" or "p m". ("" where it is none.)"""
    hour = BELOW_HUNDRED.get(word_at(run, start), 0)
    end, minutes = _two_figures(run, start + 1)
    if not (1 <= hour <= 12 and "00" < minutes < "60") or word_at(run, end) in MULTIPLIERS:
        return start, ""
    half_follows = word_at(run, end) in {"a", "p"} and word_at(run, end + 1) == "m"
    if half_follows or (previous == "at" and word_at(run, end) not in _COUNTED):
        return end, f"{hour}:{minutes}"
    return start, ""


def _two_figures(run: Sequence[str], start: int) -> tuple[int, str]:
    """The second half of a year or a time: "ninety nine", "oh five"."""
    if word_at(run, start) in OH:
        figure = FIGURES.get(word_at(run, start + 1), 0)
        return (start + 2, f"0{figure}") if figure else (start, "")
    number = read_below_hundred(run, start, "")
    if number is None or number.is_ordinal or number.value < 10:
        return start, ""
    return number.end, str(number.value)
