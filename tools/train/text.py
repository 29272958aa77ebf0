"""Transcripts as the acoustic model spells them: lower case, a to z, apostrophe, single spaces."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_APOSTROPHES: Final = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'"})  # noqa: RUF001
_NOT_SPELLED: Final = re.compile(r"[^a-z']+")
_STRAY_APOSTROPHE: Final = re.compile(r"(?<![a-z])'+|'+(?![a-z])")
_MEANS_A_WORD: Final = re.compile(r"[0-9&@#%$£€+=*/<>]")


def normalised(transcript: str) -> str | None:
    """The transcript in the model's spelling, or None where its words cannot be known.

    Digits and symbols stand for words that nobody wrote down ("1984", "&"), and a letter that is
    not of the Latin alphabet for a language that the model does not know: such a line would teach
    the model wrong. Accents are taken off; other punctuation becomes a space. Apostrophes stay
    inside words and are dropped around them, where they are quotation marks.
    """
    plain = unicodedata.normalize("NFKD", transcript.translate(_APOSTROPHES)).lower()
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    if _MEANS_A_WORD.search(letters) or any(c.isalpha() and c > "z" for c in letters):
        return None
    spelled = _STRAY_APOSTROPHE.sub(" ", _NOT_SPELLED.sub(" ", letters))
    return " ".join(spelled.split()) or None
