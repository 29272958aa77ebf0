"""How often a model itself says that words and contexts occur.

The 1-grams of a Kneser-Ney model do not say so: "francisco" is rare there, since it follows one
word only. But Kneser and Ney (1995) choose them so that the whole model keeps the frequencies of
its text; so these come back as the stationary distribution of the 2-grams.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tools.lm.ngrams import BEGIN, END, NgramModel, Scores

_ROUNDS: Final = 20


def word_log10(model: NgramModel) -> Scores:
    """The log10 frequency of each word in endless text of the model; (words,).

    The sentence's begin is as frequent as its end.
    """
    unigrams = _probabilities(model.levels[0].log10)
    begin, end = model.ids.get(BEGIN), model.ids.get(END)
    frequencies = unigrams / unigrams.sum()
    if model.order > 1 and begin is not None and end is not None:
        first, last = model.prefixes(2), model.last_words(2)
        rest = _probabilities(model.levels[0].backoff)
        listed = _probabilities(model.levels[1].log10) - rest[first] * unigrams[last]
        for _ in range(_ROUNDS):
            frequencies[begin] = frequencies[end]
            following = (frequencies @ rest) * unigrams
            following += np.bincount(last, frequencies[first] * listed, len(unigrams))
            frequencies = np.maximum(following, 0) / following.sum()
        frequencies[begin] = frequencies[end]
    with np.errstate(divide="ignore"):
        log10: Scores = np.log10(frequencies)
    return log10


def context_log10(model: NgramModel, words: Scores, n: int) -> Scores:
    """The log10 frequency of the n-grams of one length, given that of words; (N,)."""
    frequencies = words
    for length in range(2, n + 1):
        frequencies = frequencies[model.prefixes(length)] + model.levels[length - 1].log10
    return frequencies


def _probabilities(log10: Scores) -> Scores:
    probabilities: Scores = 10.0**log10
    return probabilities
