"""Clock times and dates: 10:30 p.m., 5 January 1999, Jan. 5, 1999-01-05."""

from __future__ import annotations

import re
from typing import Final

from spoken_form.cardinals import by_figures, cardinal, number_or_year, ordinal, year
from spoken_form.rewriting import Rule, rewrite

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH: Final = (
    r"(January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Aug|Sept|Sep|Oct|Nov|Dec)\b\.?)"
)
_DAY: Final = r"(3[01]|[12][0-9]|0?[1-9])"
_YEAR: Final = r"([0-9]{4})"
_END: Final = r"(?![0-9:%/]|[.,-][0-9])"

_HALF_OF_DAY: Final = re.compile(r"(?<=[0-9]) ?(?:([AaPp])\. ?[Mm]\b\.?|(am|pm|AM|PM)\b\.?)")
_CLOCK_RANGE: Final = re.compile(r"(?<=[0-9])( [ap] m)? ?- ?(?=[0-9]{1,2}:[0-9]{2})")
_POINTED_CLOCK: Final = re.compile(r"(?<![0-9.,])([0-9]{1,2})\.([0-5][0-9])(?= [ap] m\b)")
_CLOCK: Final = re.compile(
    r"(?<![0-9.,:])([0-9]{1,3}):([0-5][0-9])(?::([0-5][0-9]))?(?![0-9:])(?=( [ap] m\b)?)"
)
_RATIO: Final = re.compile(r"(?<![0-9.,:])([0-9]{1,6}):([0-9]{1,6})(?![0-9:])")

_ISO: Final = re.compile(rf"(?<![\w.-]){_YEAR}-([01][0-9])-([0-3][0-9])(?![\w-])")
_SLASHED: Final = re.compile(
    r"(?<![\w./])([0-9]{1,2})[/]([0-9]{1,2})[/]([0-9]{4}|[0-9]{2})(?![\w/])"
)
_MONTH_FIRST: Final = re.compile(
    rf"\b{_MONTH} {_DAY}(?:st|nd|rd|th)?(?:-{_DAY})?(?:st|nd|rd|th)?\b{_END}(?:,? {_YEAR}\b{_END})?"
)
_DAY_FIRST: Final = re.compile(rf"\b([Tt]he )?{_DAY} {_MONTH}(?:,? {_YEAR}\b{_END})?")


def speak_times(text: str) -> str:
    """``text`` with the clock times and dates in it as words."""
    return rewrite(text, _RULES)


def _half_of_day(match: re.Match[str]) -> str:
    return f" {(match[1] or match[2][0]).lower()} m "


def _clock(match: re.Match[str]) -> str:
    hour, minutes, seconds, half = match.groups()
    if seconds is None and minutes == "00" and int(hour) <= 24:
        said = "" if half else " o'clock" if int(hour) <= 12 else " hundred"
    else:
        said = f" {cardinal(minutes)}" + (f" {cardinal(seconds)}" if seconds else "")
    return f" {cardinal(str(int(hour)))}{said} "


def _ratio(match: re.Match[str]) -> str:
    return f" {cardinal(match[1])} to {cardinal(match[2])} "


def _iso(match: re.Match[str]) -> str:
    return _date(int(match[2]), int(match[3]), match[1]) or by_figures(match[0])


def _slashed(match: re.Match[str]) -> str:
    """Month first, as in America, where that is possible."""
    first, second, year_figures = match.groups()
    said = _date(int(first), int(second), year_figures)
    said = said or _date(int(second), int(first), year_figures)
    return said or f" {' '.join(cardinal(part) for part in match.groups())} "


def _date(month: int, day: int, year_figures: str) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ""
    said_year = year(year_figures) if len(year_figures) == 4 else cardinal(year_figures)
    return f" {_MONTHS[month - 1]} {ordinal(str(day))} {said_year} "


def _month_first(match: re.Match[str]) -> str:
    month, day, last_day, year_figures = match.groups()
    days = ordinal(day) + (f" to {ordinal(last_day)}" if last_day else "")
    return f"{_full_name(month)} {days}{_year(year_figures)}"


def _day_first(match: re.Match[str]) -> str:
    the, day, month, year_figures = match.groups()
    return f"{the or 'the '}{ordinal(day)} of {_full_name(month)}{_year(year_figures)}"


def _year(figures: str | None) -> str:
    return f" {number_or_year(figures)}" if figures else ""


def _full_name(month: str) -> str:
    return next(name for name in _MONTHS if name.startswith(month[:3].lower()))


_RULES: Final[tuple[Rule, ...]] = (
    (_HALF_OF_DAY, _half_of_day),
    (_CLOCK_RANGE, r"\1 to "),
    (_POINTED_CLOCK, r"\1:\2"),
    (_CLOCK, _clock),
    (_RATIO, _ratio),
    (_ISO, _iso),
    (_SLASHED, _slashed),
    (_MONTH_FIRST, _month_first),
    (_DAY_FIRST, _day_first),
)
