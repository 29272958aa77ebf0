"""Figures read out: the readings that the rules of this package choose from.

Spelling of whole numbers is that of num2words, in American reading: no "and" inside a number.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from num2words import num2words

_LONGEST: Final = 18  # figures of a number that is read as one; a longer one is read by figures
_UNGROUPED: Final = 6  # without commas, more figures than this are a telephone number or the like
_FIGURES: Final = ("oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@lru_cache(maxsize=4096)
def cardinal(figures: str) -> str:
    """ "1,200" is "one thousand two hundred", "007" and "5551234" are read by figures."""
    plain = figures.replace(",", "")
    grouped = plain != figures or plain.endswith("000")
    if len(plain) > _LONGEST or (len(plain) > _UNGROUPED and not grouped):
        return by_figures(plain)
    if plain[0] == "0" and len(plain) > 1:
        return by_figures(plain)
    return _words(num2words(int(plain)))


@lru_cache(maxsize=1024)
def ordinal(figures: str) -> str:
    """ "21" is "twenty first"; "100" is "one hundredth"."""
    plain = figures.replace(",", "")
    if len(plain) > _LONGEST:
        return by_figures(plain)
    return _words(num2words(int(plain), to="ordinal"))


def by_figures(figures: str) -> str:
    """ "505" is "five oh five". Other characters are passed over."""
    return " ".join(_FIGURES[int(figure)] for figure in figures if figure in "0123456789")


def number(figures: str) -> str:
    """ "1,200" or "3.05" or ".5": after the point the figures one by one, 0 as "zero"."""
    whole, point, decimals = figures.partition(".")
    if not point:
        return cardinal(whole)
    after = by_figures(decimals).replace("oh", "zero")
    return f"{cardinal(whole)} point {after}" if whole else f"point {after}"


def is_year(figures: str) -> bool:
    """Whether four figures are more likely said as a year: 1100 to 2099, without a comma."""
    return len(figures) == 4 and 1100 <= int(figures) <= 2099


def year(figures: str) -> str:
    """ "1805" is "eighteen oh five", "1900" "nineteen hundred", "2005" "two thousand five"."""
    century, rest = figures[:2], figures[2:]
    if figures[1:3] == "00":
        return cardinal(figures)
    if rest == "00":
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {cardinal(rest)}"


def number_or_year(figures: str) -> str:
    """The usual reading of figures that nothing around them explains."""
    return year(figures) if is_year(figures) else number(figures)


def plural(words: str) -> str:
    """The last word in the plural: "nineteen nineties", "sixes"."""
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith("x") else f"{words}s"


def _words(spelt: str) -> str:
    return spelt.replace("-", " ").replace(",", "").replace(" and ", " ")
