"""Mixes back-off models into one, and finds the weights that suit given text best.

The mixture lists every n-gram that any of the models lists, with the weighted sum of what all of
them (backing off where they must) give it; back-off weights are then computed anew. This is the
static mixture of A. Stolcke's SRILM (ICSLP 2002, section 3.5). It differs from the true sum only
for n-grams that no model lists. A word that a model does not know has probability 0 there.

After a context, a model counts as much as it expects that context: its weight times the frequency
that it gives the context, as a share of all. This is count merging (Bacchiani and others, 2006; B.
Hsu, ASRU 2007): a model of prescriptions has the say after "milligrams of", and none after "once
upon a". It keeps a phrase together that only one model knows, however small its weight.

KenLM's own `interpolate` is log-linear, needs Eigen, and wants the intermediate files of lmplz, so
it cannot mix with a model that is at hand only packed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tools.lm.frequencies import word_log10
from tools.lm.ngrams import BEGIN, Level, NgramModel, Rows, Scores
from tools.lm.normalising import normalise

_ROUNDS: Final = 50
_SETTLED: Final = 1e-4


def mix(models: Sequence[NgramModel], weights: Sequence[float]) -> NgramModel:
    """One model of all words and n-grams of `models`, whose weights sum to 1."""
    assert len(models) == len(weights)
    assert abs(sum(weights) - 1) < 1e-6
    words = list(dict.fromkeys(word for model in models for word in model.words))
    parts = [with_words(model, words) for model in models]
    mixture = _union(parts)
    # log10 of each model's weight times the frequency of each context, (models, contexts)
    claims = np.log10(np.array(weights, np.float64))[:, None]
    for n, level in enumerate(mixture.levels, start=1):
        grams = mixture.grams(n)
        contexts = mixture.prefixes(n) if n > 1 else np.zeros(len(level), np.int64)
        scores = np.stack([part.log10_of(grams) for part in parts])
        probabilities = (_shares(claims)[:, contexts] * 10.0**scores).sum(axis=0)
        with np.errstate(divide="ignore"):
            mixture.levels[n - 1] = Level(level.keys, np.log10(probabilities), level.backoff)
        claims = claims[:, contexts] + scores
        if n == 1:  # 1-grams are what follows no context; how frequent words are is another thing
            claims = np.log10(weights)[:, None] + np.stack([word_log10(part) for part in parts])
    normalise(mixture)
    return mixture


def with_words(model: NgramModel, words: Sequence[str]) -> NgramModel:
    """The same model over a longer list of words; those it lacks have probability 0."""
    ids = {word: index for index, word in enumerate(words)}
    place = np.array([ids[word] for word in model.words], np.int64)
    log10 = np.full(len(words), -np.inf)
    backoff = np.zeros(len(words))
    log10[place], backoff[place] = model.levels[0].log10, model.levels[0].backoff
    if BEGIN in ids:
        log10[ids[BEGIN]] = -np.inf  # given, never predicted; lmplz writes log10 = 0
    renamed = NgramModel(words, [Level(np.arange(len(words)), log10, backoff)])
    rows = place
    for n in range(2, model.order + 1):
        level = model.levels[n - 1]
        keys = rows[model.prefixes(n)] * len(words) + place[model.last_words(n)]
        order = np.argsort(keys, kind="stable")
        renamed.levels.append(Level(keys[order], level.log10[order], level.backoff[order]))
        rows = np.empty_like(order)
        rows[order] = np.arange(len(order))
    return renamed


def best_weights(scores: NDArray[np.float64]) -> list[float]:
    """The weights that make text most likely; (models, words) log10 of its words in each.

    By expectation maximisation (Jelinek and Mercer, 1980). Words that no model knows do not count.
    """
    known = scores[:, np.isfinite(scores).any(axis=0)]
    weights = np.full(len(scores), 1 / len(scores))
    if known.shape[1] == 0:
        return [1 / len(scores)] * len(scores)
    probabilities = 10.0**known
    for _ in range(_ROUNDS):
        shares = weights[:, None] * probabilities
        updated = (shares / shares.sum(axis=0)).mean(axis=1)
        settled = np.abs(updated - weights).max() < _SETTLED
        weights = updated
        if settled:
            break
    result: list[float] = (weights / weights.sum()).tolist()
    return result


def _union(parts: Sequence[NgramModel]) -> NgramModel:
    """All n-grams of models over the same words, without scores."""
    words = parts[0].words
    union = NgramModel(words, [Level(np.arange(len(words)), *_no_scores(len(words)))])
    rows: list[Rows] = [np.arange(len(words)) for _ in parts]
    for n in range(2, max(part.order for part in parts) + 1):
        keys = [
            row[part.prefixes(n)] * len(words) + part.last_words(n) if n <= part.order else row[:0]
            for part, row in zip(parts, rows, strict=True)
        ]
        together = np.unique(np.concatenate(keys))
        union.levels.append(Level(together, *_no_scores(len(together))))
        rows = [np.searchsorted(together, own) for own in keys]
    return union


def _shares(claims: NDArray[np.float64]) -> NDArray[np.float64]:
    """The claims on each context as shares of 1; equal where no model expects it at all."""
    highest = claims.max(axis=0)
    unclaimed = ~np.isfinite(highest)
    relative = 10.0 ** (claims - np.where(unclaimed, 0.0, highest))
    relative[:, unclaimed] = 1.0
    shares: NDArray[np.float64] = relative / relative.sum(axis=0)
    return shares


def _no_scores(count: int) -> tuple[Scores, Scores]:
    return np.zeros(count), np.zeros(count)
