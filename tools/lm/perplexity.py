"""How well a model predicts text: perplexity, and the rate of words that it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.lm.ngrams import BEGIN, END, UNKNOWN, NgramModel, Scores


@dataclass(frozen=True, slots=True)
class Quality:
    """`perplexity` is over known words and sentence ends; `unknown_rate` is of words."""

    perplexity: float
    unknown_rate: float

    def __str__(self) -> str:
        return f"perplexity {self.perplexity:7.1f}, {100 * self.unknown_rate:5.2f}% unknown words"


def quality_of(model: NgramModel, lines: Sequence[str]) -> Quality:
    """Measures a model on lines in spoken form."""
    scores = score_words(model, lines)
    known = np.isfinite(scores)
    words = len(scores) - len(lines)
    mean_log10 = float(scores[known].mean()) if known.any() else -np.inf
    return Quality(10.0**-mean_log10, int((~known).sum()) / max(words, 1))


def score_words(model: NgramModel, lines: Sequence[str]) -> Scores:
    """log10 of every word and sentence end of the lines, in order; -inf where a word is unknown."""
    unknown = model.ids[UNKNOWN]
    begin, end = model.ids.get(BEGIN, unknown), model.ids.get(END, unknown)
    tokens: list[int] = []
    starts: list[int] = []  # of the sentence that the token is in
    for line in lines:
        starts += [len(tokens)] * (len(line.split()) + 2)
        tokens.append(begin)
        tokens += [model.ids.get(word, unknown) for word in line.split()]
        tokens.append(end)
    text = np.array(tokens, np.int32)
    at = np.arange(len(text))
    places = at - np.array(starts, np.int64)
    scores = np.full(len(text), -np.inf)
    for length in range(2, model.order + 1):
        chosen = np.flatnonzero(
            places >= length - 1 if length == model.order else places == length - 1
        )
        grams = text[chosen[:, None] + np.arange(1 - length, 1)]
        scores[chosen] = model.log10_of(grams)
    scores[text == unknown] = -np.inf
    result: Scores = scores[places > 0]
    return result
