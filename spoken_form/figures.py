"""All other figures: ordinals, decades, decimals, years, whole numbers. None are left after it."""

from __future__ import annotations

import re
from typing import Final

from spoken_form.cardinals import cardinal, number, number_or_year, ordinal, plural, year
from spoken_form.rewriting import Rule, rewrite

_GROUPED: Final = r"[0-9]{1,3}(?:,[0-9]{3}){1,5}"

_MINUS: Final = re.compile(r"(?<![^\s(\"'])-(?=\.?[0-9])")
_ORDINAL: Final = re.compile(rf"({_GROUPED}|[0-9]{{1,18}})(?:st|nd|rd|th|ST|ND|RD|TH)\b")
_PLURAL: Final = re.compile(r"'?\b([0-9]{1,18})('?)s\b")
_VERSION: Final = re.compile(r"(?<![0-9.,])[0-9]{1,6}(?:\.[0-9]{1,6}){2,5}(?![0-9])")
_DECIMAL: Final = re.compile(
    rf"(?:(?<![0-9.,])(?:{_GROUPED}|[0-9]{{1,18}})|(?<![\w.]))\.[0-9]{{1,18}}"
)
_YEAR_BEFORE_1100: Final = re.compile(r"(?<=[Ii]n )10[0-9]{2}\b(?![.,][0-9])")
_WHOLE: Final = re.compile(rf"{_GROUPED}(?![0-9])|[0-9]+")


def speak_figures(text: str) -> str:
    """``text`` without figures."""
    return rewrite(text, _RULES)


def _ordinal(match: re.Match[str]) -> str:
    return f" {ordinal(match[1])} "


def _plural(match: re.Match[str]) -> str:
    """The 1990s and the 1990's; but 1999's is what belongs to 1999."""
    figures, apostrophe = match.groups()
    said = number_or_year(figures)
    owns = apostrophe and not figures.endswith("0")
    return f" {said}'s " if owns else f" {plural(said)} "


def _version(match: re.Match[str]) -> str:
    return f" {' point '.join(cardinal(part) for part in match[0].split('.'))} "


def _decimal(match: re.Match[str]) -> str:
    return f" {number(match[0])} "


def _year(match: re.Match[str]) -> str:
    return f" {year(match[0])} "


def _whole(match: re.Match[str]) -> str:
    return f" {number_or_year(match[0])} "


_RULES: Final[tuple[Rule, ...]] = (
    (_MINUS, "minus "),
    (_ORDINAL, _ordinal),
    (_PLURAL, _plural),
    (_VERSION, _version),
    (_DECIMAL, _decimal),
    (_YEAR_BEFORE_1100, _year),
    (_WHOLE, _whole),
)
