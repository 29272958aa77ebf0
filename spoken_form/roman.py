"""Roman numerals: Henry VIII, World War II, Chapter XLIV.

Read where they can hardly be anything else: after a ruler's name as an ordinal, after a heading of
any length, and elsewhere when they are made of two or more of I, V, X.
"""

from __future__ import annotations

import re
from typing import Final

from spoken_form.cardinals import cardinal, ordinal
from spoken_form.rewriting import Rule, rewrite

_VALUES: Final = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}
_NUMERAL: Final = (  # it may match nothing: a pattern with it has to end in (?!\w)
    r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
)
_SMALL: Final = r"(?=[XVI]{2})X{0,3}(?:IX|IV|V?I{0,3})"

_RULERS: Final = (
    "Alexander|Benedict|Boniface|Catherine|Charles|Christian|Clement|Edward|Elizabeth|Ferdinand|"
    "Francis|Frederick|George|Gregory|Gustav|Haakon|Henry|Innocent|Ivan|James|Julius|Leo|Leopold|"
    "Louis|Ludwig|Mary|Napoleon|Nicholas|Otto|Paul|Peter|Philip|Pius|Pope|Ramses|Richard|Rudolf|"
    "Urban|Victor|Wilhelm|William"
)
_HEADINGS: Final = (
    "Act|Article|Book|Canto|Chapter|Class|Figure|Lesson|Letter|Number|Page|Part|Phase|Psalm|Scene|"
    "Section|Stage|Table|Title|Type|Volume|War"
)
_RULER: Final = re.compile(rf"\b({_RULERS}) ({_SMALL}|[VX])(?![\w'])")
_HEADING: Final = re.compile(  # but "the part I played"
    rf"\b({_HEADINGS}|(?i:{_HEADINGS})(?! I\b)) ({_NUMERAL})(?![\w'])"
)
_ALONE: Final = re.compile(rf"\b({_SMALL})(?!\w|\.[A-Z])")


def speak_roman(text: str) -> str:
    """``text`` with its Roman numerals as words."""
    return rewrite(text, _RULES)


def _value(numeral: str) -> str:
    values = [_VALUES[letter] for letter in numeral]
    following = [*values[1:], 0]
    return str(sum(v if v >= f else -v for v, f in zip(values, following, strict=True)))


def _ruler(match: re.Match[str]) -> str:
    return f"{match[1]} the {ordinal(_value(match[2]))}"


def _heading(match: re.Match[str]) -> str:
    return f"{match[1]} {cardinal(_value(match[2]))}"


def _alone(match: re.Match[str]) -> str:
    return cardinal(_value(match[1]))


_RULES: Final[tuple[Rule, ...]] = (
    (_RULER, _ruler),
    (_HEADING, _heading),
    (_ALONE, _alone),
)
