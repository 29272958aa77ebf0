"""Audio for `models/echo`, which spells: one frame of 40 ms says one character.

With it a test knows every word that a server must return, exactly. See
`gpu_worker/acoustic/echo.py`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.spec import ModelSpec
from tests.conformance.server_process import ECHO

SPEC: Final = ModelSpec.load(ECHO)
RATE_HZ: Final = SPEC.sample_rate_hz
CHUNK_MS: Final = SPEC.chunk_samples * 1000 // RATE_HZ
FRAME_MS: Final = SPEC.frame_samples * 1000 // RATE_HZ
ENDPOINT_S: Final = 1.5
"""Silence that ends an utterance, with room to spare."""
WORD_LETTERS: Final = 4
"""How long `numbered_words` are."""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def spell(text: str, rate_hz: int = RATE_HZ) -> NDArray[np.int16]:
    """Audio that says ``text``, lower case: (samples,) int16.

    A blank frame keeps repeated letters apart, as everywhere in CTC.
    """
    tokens = [SPEC.vocabulary.index(character) for character in text[:1]]
    for previous, character in pairwise(text):
        if character == previous:
            tokens.append(SPEC.blank)
        tokens.append(SPEC.vocabulary.index(character))
    frame_samples = SPEC.frame_samples * rate_hz // RATE_HZ
    return np.repeat(np.array(tokens, np.int16), frame_samples)


def silence(seconds: float, rate_hz: int = RATE_HZ) -> NDArray[np.int16]:
    """Zeros: (samples,) int16."""
    return np.zeros(round(seconds * rate_hz), np.int16)


def numbered_words(first: int, count: int) -> str:
    """``count`` words that no other number has: what is lost, doubled or swapped shows."""
    return " ".join(_word(number) for number in range(first, first + count))


def spoken_for(milliseconds: int, first: int = 0) -> str:
    """Numbered words without a pause that take this long to spell, or a few frames less."""
    characters = milliseconds // FRAME_MS
    return numbered_words(first, (characters + 1) // (WORD_LETTERS + 1))


def _word(number: int) -> str:
    """A word without repeated letters: each digit is a distance from the letter before."""
    letter, word = 0, ""
    for _ in range(WORD_LETTERS):
        number, digit = divmod(number, len(_LETTERS) - 1)
        letter = (letter + 1 + digit) % len(_LETTERS)
        word += _LETTERS[letter]
    assert number == 0, "there are no more words of this length"
    return word
