"""A language model that knows an operator's phrases: names and terms, one a line.

It is a back-off model like any other, so `mixing` puts it into the base model: a phrase may begin
anywhere, and where the words so far are more likely to be its beginning than ordinary text, its
next word is expected. Nothing follows a phrase in particular: the base model goes on after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from spoken_form import to_spoken
from tools.lm.errors import LmError
from tools.lm.ngrams import BEGIN, END, UNKNOWN, NgramModel, Scores, Words, model_of
from tools.lm.normalising import normalise
from tools.lm.text import read_lines

GOES_ON: Final = 0.9
"""The probability that a phrase goes on as written, once its beginning was heard."""
LATER_WORDS: Final = 0.1
"""How often a phrase's later words stand alone, compared with its first."""
MAX_WEIGHT: Final = 0.2
"""The most that all phrases together may take from ordinary text."""


def read_phrases(path: Path) -> list[str]:
    """The phrases of a file in spoken form; one that is there twice counts twice.

    Raises:
        LmError: the file, the line and the reason.
    """
    phrases = []
    for number, line in read_lines(path):
        spoken = to_spoken(line)
        if not spoken:
            raise LmError(
                f"{path}: line {number}: {line[:40]!r} holds no word of the letters a to z; write "
                f"it as it is pronounced in English"
            )
        phrases.append(spoken)
    if not phrases:
        raise LmError(f"{path}: holds no phrases; give one a line")
    return phrases


def phrase_weight(count: int, probability: float) -> float:
    """The weight of a model of so many phrases, when each is to be as probable as that."""
    return min(count * probability, MAX_WEIGHT)


def phrase_model(phrases: Sequence[str], order: int) -> NgramModel:
    """A model of `order` 2 or more in which each phrase begins with equal probability."""
    heads: dict[str, float] = {}
    continuations: Counter[tuple[str, ...]] = Counter()
    contexts: Counter[tuple[str, ...]] = Counter()
    for phrase in phrases:
        words = phrase.split()
        for at, word in enumerate(words):
            heads[word] = heads.get(word, 0.0) + (1.0 if at == 0 else LATER_WORDS)
            for length in range(1, min(at, order - 1) + 1):
                context = tuple(words[at - length : at])
                contexts[context] += 1
                continuations[*context, word] += 1
    vocabulary = [UNKNOWN, BEGIN, END, *heads]
    total = sum(heads.values())
    unigrams = np.array([-np.inf] * 3 + [np.log10(share / total) for share in heads.values()])
    ids = {word: index for index, word in enumerate(vocabulary)}
    numbers: Words = np.arange(len(vocabulary), dtype=np.int32)[:, None]
    entries: list[tuple[Words, Scores, Scores]] = [(numbers, unigrams, np.zeros(len(vocabulary)))]
    for n in range(2, order + 1):
        grams = [gram for gram in continuations if len(gram) == n]
        shares = [GOES_ON * continuations[gram] / contexts[gram[:-1]] for gram in grams]
        numbers = np.array([[ids[word] for word in gram] for gram in grams], np.int32)
        entries.append((numbers.reshape(-1, n), np.log10(shares), np.zeros(len(grams))))
    model, orphan = model_of(vocabulary, entries)
    assert orphan is None  # the beginning of a continuation is itself one
    normalise(model)
    return model
