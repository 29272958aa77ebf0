"""Sums of money: $5.20, £3 4s. 6d., $1.5 million, $5-10, 50¢."""

from __future__ import annotations

import re
from typing import Final

from spoken_form.cardinals import cardinal, number
from spoken_form.rewriting import Rule, rewrite

_UNITS: Final = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
}
_SCALES: Final = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion", "b": "billion"}

_AMOUNT: Final = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,5}|[0-9]{1,18})(?:\.[0-9]{1,9})?"
_SIGN: Final = r"([$£€¥]) ?"
_END: Final = r"(?![0-9]|[.,][0-9])"

_RANGE: Final = re.compile(rf"{_SIGN}({_AMOUNT})-[$£€¥]?({_AMOUNT}){_END}")
_OLD_MONEY: Final = re.compile(
    r"£ ?([0-9,]{1,12})(?:,? ?([0-9]{1,2})s\.?)?(?:,? ?([0-9]{1,2})d\b\.?)?(?<=[sd.])"
)
_SUM: Final = re.compile(
    rf"(-?){_SIGN}({_AMOUNT}){_END}"
    r"(?: ?(hundred|thousand|million|billion|trillion|[Kk]|[Mm]n?|[Bb]n?)\b)?"
    r"([ -](?:bill|note|coin|check|cheque|fine|ticket)s?\b)?"
)
_CENTS: Final = re.compile(r"([0-9]{1,9}) ?¢")


def speak_money(text: str) -> str:
    """``text`` with the sums in it as words."""
    return rewrite(text, _RULES)


def _range(match: re.Match[str]) -> str:
    sign, low, high = match.groups()
    return f" {number(low)} to {number(high)} {_UNITS[sign][1]} "


def _old_money(match: re.Match[str]) -> str:
    pounds, shillings, pence = match.groups()
    said = [_counted(pounds.strip(","), "pound", "pounds")] if pounds.strip(",") else []
    if shillings:
        said.append(_counted(shillings, "shilling", "shillings"))
    if pence:
        said.append(_counted(pence, "penny", "pence"))
    return f" {' '.join(said)} "


def _sum(match: re.Match[str]) -> str:
    minus, sign, amount, scale, noun = match.groups()
    one, many, cent, cents = _UNITS[sign]
    start = " minus " if minus else " "
    whole, _, fraction = amount.partition(".")
    if noun:  # a twenty dollar bill
        return f"{start}{number(amount)} {_spelt(scale)} {one} {noun.strip(' -')}"
    if scale:
        return f"{start}{number(amount)} {_spelt(scale)} {many} "
    if len(fraction) != 2:
        return f"{start}{_counted(amount, one, many)} "
    parts = [_counted(whole, one, many)] if int(whole.replace(",", "")) else []
    if int(fraction):
        parts.append(_counted(fraction.lstrip("0"), cent, cents))
    return f"{start}{' and '.join(parts or [f'zero {many}'])} "


def _cents(match: re.Match[str]) -> str:
    return f" {_counted(match[1], 'cent', 'cents')} "


def _spelt(scale: str | None) -> str:
    return _SCALES.get(scale.lower(), scale) if scale else ""


def _counted(amount: str, one: str, many: str) -> str:
    if "." in amount:
        return f"{number(amount)} {many}"
    return f"{cardinal(amount)} {one if amount == '1' else many}"


_RULES: Final[tuple[Rule, ...]] = (
    (_RANGE, _range),
    (_OLD_MONEY, _old_money),
    (_SUM, _sum),
    (_CENTS, _cents),
)
