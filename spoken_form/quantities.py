"""Figures that what is around them explains: telephone numbers, fractions, ranges, measures."""

from __future__ import annotations

import re
from typing import Final

from spoken_form.cardinals import by_figures, cardinal, number_or_year, ordinal, plural
from spoken_form.rewriting import Rule, rewrite

_MEASURES: Final = {
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "ml": ("milliliter", "milliliters"),
    "lbs": ("pound", "pounds"),
    "lb": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ft": ("foot", "feet"),
    "hrs": ("hour", "hours"),
    "hz": ("hertz", "hertz"),
    "khz": ("kilohertz", "kilohertz"),
    "mhz": ("megahertz", "megahertz"),
    "ghz": ("gigahertz", "gigahertz"),
    "kb": ("kilobyte", "kilobytes"),
    "mb": ("megabyte", "megabytes"),
    "gb": ("gigabyte", "gigabytes"),
    "tb": ("terabyte", "terabytes"),
}
"""Only what stands for one thing: not m (meters, minutes, million), g, s, l, in, min."""

_NAMED_FRACTIONS: Final = {"2": ("half", "halves"), "4": ("quarter", "quarters")}
_DENOMINATORS: Final = frozenset((*range(2, 11), 12, 16, 20, 32, 64, 100))

_ALONE: Final = r"(?<![\w.,/+-])"
_PHONE: Final = re.compile(
    rf"{_ALONE}(?:(?:\+?[0-9]{{1,3}}[-. ])?(?:\([0-9]{{3}}\) ?|[0-9]{{3}}[-. ])[0-9]{{3}}[-. ]"
    r"[0-9]{4}|[0-9]{3}-[0-9]{4}|\+[0-9][0-9 -]{5,18}[0-9]|[0-9]{4}(?:[ -][0-9]{4}){3}"
    r"|[0-9]{1,9}(?:-[0-9]{1,9}){2,6})(?![\w-])"
)
_FRACTION: Final = re.compile(
    rf"{_ALONE}(?:([0-9]{{1,6}})[ -])?([0-9]{{1,3}})/([0-9]{{1,3}})(?![\w/]|\.[0-9])"
)
_NUMBER: Final = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,5}|[0-9]{1,18})(?:\.[0-9]{1,9})?"
_RANGE: Final = re.compile(rf"(?<![\w.,/-])({_NUMBER})-({_NUMBER})(?![0-9-]|[.,][0-9])")
_HEIGHT: Final = re.compile(r"(?<![\w.,'-])([1-9])' ?([0-9]{1,2})(?:\"|'')")
_REFERENCES: Final = {
    "no": "number",
    "nos": "number",
    "vol": "volume",
    "vols": "volumes",
    "fig": "figure",
    "figs": "figures",
    "ch": "chapter",
    "p": "page",
    "pp": "pages",
}
_REFERENCE: Final = re.compile(rf"\b({'|'.join(_REFERENCES)})\. ?(?=[0-9])", re.IGNORECASE)
_NUMERO: Final = re.compile(r"# ?(?=[0-9])")
_MEASURE: Final = re.compile(
    rf"(?<![0-9.,])({_NUMBER}) ?({'|'.join(_MEASURES)})\b(?!')", re.IGNORECASE
)
_DEGREES: Final = re.compile(r"(?<![0-9.,])([0-9]{1,6}(?:\.[0-9]{1,6})?) ?°(?: ?([CcFf])\b)?")
_TIMES: Final = re.compile(r"(?<=[0-9]) ?\u00d7 ?(?=[0-9])")
_THOUSANDS: Final = re.compile(rf"(?<![0-9.,])({_NUMBER})[Kk]\b")


def speak_quantities(text: str) -> str:
    """``text`` with these as words; figures that are read like any others may be left in it."""
    return rewrite(text, _RULES)


def _phone(match: re.Match[str]) -> str:
    return f" {by_figures(match[0])} "


def _fraction(match: re.Match[str]) -> str:
    whole, upper, lower = match.groups()
    part_of_one = int(lower) in _DENOMINATORS and 0 < int(upper) < int(lower)
    if not part_of_one or (upper, lower) == ("9", "11"):
        return " ".join(cardinal(part) for part in match.groups() if part)
    one, many = _NAMED_FRACTIONS.get(lower) or (
        ordinal(lower).removeprefix("one "),
        plural(ordinal(lower).removeprefix("one ")),
    )
    if whole is None:
        return f"{cardinal(upper)} {one if upper == '1' else many}"
    if upper == "1":
        return f"{cardinal(whole)} and {'an' if one[0] == 'e' else 'a'} {one}"
    return f"{cardinal(whole)} and {cardinal(upper)} {many}"


def _range(match: re.Match[str]) -> str:
    return f"{number_or_year(match[1])} to {number_or_year(match[2])}"


def _height(match: re.Match[str]) -> str:
    return f" {cardinal(match[1])} foot {cardinal(match[2])} "


def _measure(match: re.Match[str]) -> str:
    one, many = _MEASURES[match[2].lower()]
    return f"{match[1]} {one if match[1] == '1' else many}"


def _degrees(match: re.Match[str]) -> str:
    scale = {"c": "celsius", "f": "fahrenheit", "": ""}[(match[2] or "").lower()]
    return f"{match[1]} {'degree' if match[1] == '1' else 'degrees'} {scale} "


_RULES: Final[tuple[Rule, ...]] = (
    (_PHONE, _phone),
    (_FRACTION, _fraction),
    (_RANGE, _range),
    (_HEIGHT, _height),
    (_REFERENCE, lambda match: f"{_REFERENCES[match[1].lower()]} "),
    (_NUMERO, "number "),
    (_MEASURE, _measure),
    (_DEGREES, _degrees),
    (_TIMES, " times "),
    (_THOUSANDS, r"\1 thousand"),
)
