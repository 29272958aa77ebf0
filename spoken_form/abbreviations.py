"""Abbreviations written out: mister, doctor, saint or street, captain, et cetera.

A word counts as an abbreviation by its full stop, and some by their capital ("Mr Smith"): the
lower-case words of the same letters ("gen", "fig", "dr") are left alone. A title needs a name after
it, so that "He sat by the fig." and "in Sept." do not become somebody.
"""

from __future__ import annotations

import re
from typing import Final

from spoken_form.rewriting import Rule, rewrite

_ALWAYS: Final = {
    "mr": "mister",
    "mrs": "missus",
    "messrs": "messrs",
    "vs": "versus",
    "etc": "et cetera",
    "viz": "namely",
    "jr": "junior",
    "sr": "senior",
    "esq": "esquire",
    "prof": "professor",
    "sgt": "sergeant",
    "capt": "captain",
    "lieut": "lieutenant",
    "cmdr": "commander",
    "ave": "avenue",
    "blvd": "boulevard",
    "dept": "department",
    "govt": "government",
    "approx": "approximately",
    "corp": "corporation",
    "ltd": "limited",
    "assn": "association",
    "bros": "brothers",
    "tues": "tuesday",
    "thurs": "thursday",
    "sept": "september",
}
_BEFORE_A_NAME: Final = {
    "rev": "reverend",
    "hon": "honorable",
    "gen": "general",
    "col": "colonel",
    "maj": "major",
    "lt": "lieutenant",
    "gov": "governor",
    "sen": "senator",
    "rep": "representative",
    "pres": "president",
    "mt": "mount",
    "ft": "fort",
    "fr": "father",
}
_AFTER_A_NAME: Final = {"co": "company", "inc": "incorporated", "rd": "road"}
_SENTENCES_BEGIN: Final = (
    "A|After|All|An|And|As|At|But|By|For|From|He|Her|His|How|I|If|In|It|Its|My|No|Not|Now|On|Or|Our"
    "|She|So|Some|That|The|Their|Then|There|These|They|This|To|Was|We|What|When|Where|While|Who|Why"
    "|With|You|Your"
)
_NAME_FOLLOWS: Final = rf"(?= (?!(?:{_SENTENCES_BEGIN})\b)[A-Z])"

_ALWAYS_PATTERN: Final = re.compile(rf"\b({'|'.join(_ALWAYS)})\.", re.IGNORECASE)
_MR: Final = re.compile(r"\b(M(?:r|rs|R|RS))\b(?!['\u2019]\w)\.?")
_TITLE: Final = re.compile(rf"\b((?i:{'|'.join(_BEFORE_A_NAME)}))\.{_NAME_FOLLOWS}")
_FIRM: Final = re.compile(rf"(?<=[A-Za-z&,] )({'|'.join(_AFTER_A_NAME)})\.", re.IGNORECASE)


def speak_abbreviations(text: str) -> str:
    """``text`` with its abbreviations as words."""
    return rewrite(text, _RULES)


def _always(match: re.Match[str]) -> str:
    return f"{_ALWAYS[match[1].lower()]} "


def _title(match: re.Match[str]) -> str:
    return f"{_BEFORE_A_NAME[match[1].lower()]} "


def _firm(match: re.Match[str]) -> str:
    return f"{_AFTER_A_NAME[match[1].lower()]} "


_RULES: Final[tuple[Rule, ...]] = (
    (re.compile(r"\be\. ?g\.", re.IGNORECASE), "for example "),
    (re.compile(r"\bi\. ?e\.", re.IGNORECASE), "that is "),
    (re.compile(r"&c\."), "et cetera "),
    (re.compile(r"\b(?:OK|Ok|[Oo]\.[Kk]\.)(?=$|\W)(?!['\u2019]\w)"), "okay "),
    (re.compile(r"\bPh\.? ?D\b\.?"), "p h d "),
    (_MR, lambda match: _ALWAYS[match[1].lower()]),
    (_ALWAYS_PATTERN, _always),
    (re.compile(rf"\bSt\b\.?{_NAME_FOLLOWS}|\bst\.{_NAME_FOLLOWS}"), "saint "),
    (re.compile(r"\bSt\.(?= ?$| ?[A-Z,;:?!])|(?<=[a-z] )[Ss]t\."), "street "),
    (re.compile(rf"\bD[rR]\b\.?{_NAME_FOLLOWS}"), "doctor "),
    (re.compile(r"(?<=[a-z] )Dr\."), "drive "),
    (re.compile(r"\b[Dd][rR]\."), "doctor "),
    (_TITLE, _title),
    (_FIRM, _firm),
)
