"""The words that numbers are made of, and what each is worth.

Pure tables. Hyphenated spellings ("twenty-two") are words of their own here, though the engine
writes none.
"""

from __future__ import annotations

from typing import Final


def _worth(listed: str, first: int, step: int = 1) -> dict[str, int]:
    return {word: first + step * index for index, word in enumerate(listed.split())}


_UNITS: Final = _worth("one two three four five six seven eight nine", 1)
_UNITS_TH: Final = _worth("first second third fourth fifth sixth seventh eighth ninth", 1)
TEENS: Final = _worth(
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10
)
TENS: Final = _worth("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10)

ZERO: Final = frozenset({"zero", "nought"})
FIGURES: Final = {**dict.fromkeys(ZERO, 0), **_UNITS}
OH: Final = frozenset({"o", "oh"})
REPEATS: Final = {"double": 2, "triple": 3, "treble": 3}

_HYPHENATED: Final = {f"{t}-{u}": TENS[t] + _UNITS[u] for t in TENS for u in _UNITS}
BELOW_HUNDRED: Final = {**_UNITS, **TEENS, **TENS, **_HYPHENATED}

ORDINAL_UNITS: Final = _UNITS_TH
ORDINALS: Final = {
    **_UNITS_TH,
    **_worth("tenth eleventh twelfth thirteenth fourteenth fifteenth", 10),
    **_worth("sixteenth seventeenth eighteenth nineteenth", 16),
    **_worth("twentieth thirtieth fortieth fiftieth sixtieth seventieth", 20, 10),
    **_worth("eightieth ninetieth", 80, 10),
    **{f"{t}-{u}": TENS[t] + _UNITS_TH[u] for t in TENS for u in _UNITS_TH},
}

HUNDRED: Final = 100
SCALES: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ORDINAL_SCALES: Final = {"hundredth": HUNDRED, **{f"{word}th": SCALES[word] for word in SCALES}}
MULTIPLIERS: Final = frozenset({"hundred", *SCALES, *ORDINAL_SCALES})

DECADES: Final = _worth("twenties thirties forties fifties sixties seventies eighties", 20, 10) | {
    "nineties": 90,
    "hundreds": 0,
}

CURRENCIES: Final = {"dollar": "$", "dollars": "$", "euro": "€", "euros": "€"}
CENTS: Final = frozenset({"cent", "cents"})
MINUS: Final = frozenset({"minus", "negative"})
JOINERS: Final = frozenset({"and", "point", "plus", *MINUS})

NUMBERS: Final = frozenset({*FIGURES, *BELOW_HUNDRED, *ORDINALS, *MULTIPLIERS})
PARTS: Final = NUMBERS | JOINERS | OH | REPEATS.keys() | {"a"}
"""Words that may take part in a number wherever they stand."""

FOLLOWERS: Final = frozenset({*CURRENCIES, *CENTS, *DECADES, "percent", "per", "p", "m"})
"""Words that do only after one of `PARTS` or another follower."""
