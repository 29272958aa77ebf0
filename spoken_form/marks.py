"""Marks that a transcript carries besides speech: [MUSIC], (applause), *sighs*, notes, tokens."""

from __future__ import annotations

import re
from typing import Final

from spoken_form.rewriting import Rule, rewrite

_LONGEST: Final = 80  # characters between the brackets; more than that is text that lost a bracket

_SOUNDS: Final = (
    "applause|applauding|audience|barking|beep|beeping|beeps|bell|bells|blank|breathing|breathes|"
    "buzzing|cheering|cheers|chuckle|chuckles|chuckling|clapping|claps|clears|coughing|coughs|"
    "cries|crosstalk|crowd|crying|gasps|gasping|giggles|grunts|groans|growls|humming|inaudible|"
    "indistinct|instrumental|laugh|laughing|laughs|laughter|mumbles|mumbling|music|noise|noises|"
    "pause|phone ringing|rustling|screaming|screams|sigh|sighing|sighs|silence|singing|sings|"
    "sniffles|sniffs|snoring|sobbing|sobs|song|sound|sounds|speaking|static|sting|upbeat|"
    "unintelligible|wheezing|whispering|whispers|whistles|whistling|wind"
)
_OF_SOUND: Final = rf"[^()*]{{0,40}}\b(?:{_SOUNDS})\b[^()*]{{0,40}}"

_RULES: Final[tuple[Rule, ...]] = (
    (re.compile(r"<\|[^|<>]{0,40}\|>"), " "),  # Whisper's own tokens: <|en|>, <|0.00|>
    (re.compile(rf"\[[^\[\]]{{0,{_LONGEST}}}\]"), " "),
    (re.compile(rf"\({_OF_SOUND}\)", re.IGNORECASE), " "),
    (re.compile(rf"\*(?!\s){_OF_SOUND}(?<!\s)\*", re.IGNORECASE), " "),
)


def drop_marks(text: str) -> str:
    """``text`` without what is not speech.

    Square brackets always hold a mark. Round ones and asterisks do where the words between them
    name a sound; otherwise they are an aside or an emphasis and stay. A note sign goes with all
    other signs, and the words between two of them are sung and stay.
    """
    return rewrite(text, _RULES)
