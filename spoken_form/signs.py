"""Signs that are said, & and % and +, and the points and slashes of an address."""

from __future__ import annotations

import re
from typing import Final

from spoken_form.rewriting import Rule, rewrite

_SITE: Final = re.compile(
    r"(?<![\w.-])(?:https?://)?((?:[A-Za-z0-9-]{1,63}\.){1,5}(?:com|org|net|edu|gov|io|uk))\b(?!\.\w)"
)
_ADDRESSES: Final[tuple[Rule, ...]] = (
    (re.compile(r"(?<=[A-Za-z0-9])@(?=[A-Za-z0-9])"), " at "),
    (_SITE, lambda match: f" {match[1].replace('www.', 'w w w.').replace('.', ' dot ')} "),
)
_SIGNS: Final[tuple[Rule, ...]] = (
    (re.compile(r"%"), " percent "),
    (re.compile(r"&"), " and "),
    (re.compile(r"(?<=[\w ])\+(?=\s?\w)"), " plus "),
    (re.compile(r"(?<=[\w ])=(?=\s?\w)"), " equals "),
    (re.compile(r"(?<=\w )@(?= \w)"), " at "),
)


def speak_addresses(text: str) -> str:
    """``text`` with "example.com" as "example dot com"; figures come later."""
    return rewrite(text, _ADDRESSES)


def speak_signs(text: str) -> str:
    """``text`` with these signs as words; all others are dropped with the punctuation."""
    return rewrite(text, _SIGNS)
