"""Acronyms as single letters: U.S. and TV; NASA and HELLO are words.

Letters with points are always said one by one. Without points capitals that cannot be a word, for
want of a vowel, are; others only where they are known, since capitals may also be an emphasis.
"""

from __future__ import annotations

import re
from typing import Final

from spoken_form.rewriting import Rule, rewrite

_KNOWN_LISTED: Final = (
    "AA AAA ABC AC AD ADHD AFC AI AKA AMD AOL API ASAP ATM BA BYU CEO CFO CIA CIO CPA CPU CTO DIY "
    "DNA DOA ECG EEG EEOC EKG EPA ER ESPN ETA EU FAA FAQ FBI FDA FYI GPA GPU HDMI HIV IBM ICU ID "
    "IOU IP IPA IPO IQ IRS ISBN ISP LA MBA MI MIT MRI NAACP NBA NCAA NGO NY NYC NYPD NYU OCD "
    "OMG PA PGA RIP RNA SUV TKO UAE UCLA UFC UFO UK UN UPI UPS URL US USA USB USC USSR UV "
    "VIP YMCA YWCA"
)
_WORDS_LISTED: Final = "BRR BRRR HM HMM HMMM MM MMM PFFT PSST SH SHH SHHH TSK ZZZ"
_KNOWN: Final = frozenset(_KNOWN_LISTED.split())
_WORDS: Final = frozenset(_WORDS_LISTED.split())

_POINTED: Final = re.compile(r"\b[A-Za-z](?:\.[A-Za-z])+\b\.?(?!\w)")
_INITIALS: Final = re.compile(r"\b([A-Z]{1,3}) ?& ?([A-Z]{1,3})\b")
_CAPITALS: Final = re.compile(r"\b([A-Z]{2,6})('?s)?\b")


def speak_acronyms(text: str) -> str:
    """``text`` with these as letters, each a word."""
    return rewrite(text, _RULES)


def _initials(match: re.Match[str]) -> str:
    return f"{' '.join(match[1])} and {' '.join(match[2])}"


def _pointed(match: re.Match[str]) -> str:
    return f"{match[0].replace('.', ' ').strip()}{'' if match[0][-1] == '.' else ' '}"


def _capitals(match: re.Match[str]) -> str:
    """TV, TVs and TV's; the plural is written like the possessive, as in the corpora."""
    letters, ending = match.groups()
    if letters not in _KNOWN and (letters in _WORDS or re.search("[AEIOUY]", letters)):
        return match[0]
    return f"{' '.join(letters)}{chr(39) + 's' if ending else ''}"


_RULES: Final[tuple[Rule, ...]] = (
    (_INITIALS, _initials),
    (_POINTED, _pointed),
    (_CAPITALS, _capitals),
)
