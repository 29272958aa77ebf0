"""Leaves out the n-grams that a model can best do without, until it packs into a given size.

The loss of an n-gram is how much its absence raises the model's entropy (A. Stolcke, 1998,
"Entropy-based pruning of backoff language models", equation 3). Context frequencies are those of
`frequencies`, since Kneser-Ney 1-grams mislead here (Chelba and others, Interspeech 2010). Words
stay. So do n-grams that begin or end a longer one that stays: the first because ARPA wants it, the
second because KenLM would put it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tools.lm.frequencies import context_log10, word_log10
from tools.lm.ngrams import Level, NgramModel, Rows, Scores
from tools.lm.normalising import normalise
from tools.lm.programs import QUANTISED_BITS
from tools.lm.trie import chopped_bits

_HALVINGS: Final = 24
_LEAST_MASS: Final = 1e-9
_LN_10: Final = float(np.log(10))

_Kept = list[NDArray[np.bool_]]


def prune_to(model: NgramModel, size_bytes: int) -> NgramModel:
    """The model without its least useful n-grams, at most that large when packed."""
    if packed_bytes(model.words, model.counts) <= size_bytes:
        return model
    losses = _losses(model)
    suffixes: list[Rows] = [model.rows_of(model.grams(n)[:, 1:]) for n in range(3, model.order + 1)]
    low, high = -60.0, float(np.log10(max(loss.max(initial=1e-60) for loss in losses)))
    for _ in range(_HALVINGS):  # on the logarithm of the loss: it spans many magnitudes
        middle = (low + high) / 2
        counts = [int(kept.sum()) for kept in _kept(model, losses, suffixes, 10.0**middle)]
        if packed_bytes(model.words, counts) <= size_bytes:
            high = middle
        else:
            low = middle
    return _only(model, _kept(model, losses, suffixes, 10.0**high))


def packed_bytes(words: Sequence[str], counts: Sequence[int]) -> int:
    """The size of KenLM's quantised trie of so many n-grams, within a few kilobytes."""
    word_bits = counts[0].bit_length()
    total = counts[0] * (8 + 16) + sum(len(word.encode()) + 1 for word in words)
    for n, count in enumerate(counts[1:], start=2):
        entry_bits = word_bits + QUANTISED_BITS
        if n < len(counts):
            following = counts[n]
            chopped = chopped_bits(count + 1, following, following.bit_length())
            pointer_bits = following.bit_length() - chopped
            entry_bits += QUANTISED_BITS + pointer_bits
            total += 8 * ((following >> pointer_bits) + 1)
        total += count * entry_bits // 8
    return total


def _losses(model: NgramModel) -> list[Scores]:
    """The loss of each n-gram, a column for each length from 2."""
    words = word_log10(model)
    losses = []
    for n in range(2, model.order + 1):
        log10, prefixes = model.levels[n - 1].log10, model.prefixes(n)
        contexts = 10.0 ** context_log10(model, words, n - 1)
        backoff = model.levels[n - 2].backoff
        shorter = model.log10_of(model.grams(n)[:, 1:])
        listed, listed_shorter = 10.0**log10, 10.0**shorter
        left = 1 - np.bincount(prefixes, listed, len(contexts))
        left_of_shorter = 1 - np.bincount(prefixes, listed_shorter, len(contexts))
        left_without = np.maximum(left[prefixes] + listed, _LEAST_MASS)
        shorter_without = np.maximum(left_of_shorter[prefixes] + listed_shorter, _LEAST_MASS)
        backoff_without = np.log10(left_without / shorter_without)
        here = listed * (shorter + backoff_without - log10)
        elsewhere = (backoff_without - backoff[prefixes]) * np.maximum(left[prefixes], 0)
        loss = -contexts[prefixes] * (here + elsewhere) * _LN_10
        losses.append(np.where(np.isfinite(loss), np.maximum(loss, 0), 0))
    return losses


def _kept(
    model: NgramModel, losses: Sequence[Scores], suffixes: Sequence[Rows], threshold: float
) -> _Kept:
    """Which n-grams stay, a column for each length from 1."""
    kept: _Kept = [np.ones(len(model.words), bool)]
    kept += [loss > threshold for loss in losses]
    for n in range(model.order, 2, -1):
        staying = kept[n - 1]
        kept[n - 2][model.prefixes(n)[staying]] = True
        ends = suffixes[n - 3][staying]
        kept[n - 2][ends[ends >= 0]] = True
    return kept


def _only(model: NgramModel, kept: _Kept) -> NgramModel:
    pruned = NgramModel(model.words, model.levels[:1])
    rows = np.arange(len(model.words))
    for n in range(2, model.order + 1):
        level, staying = model.levels[n - 1], kept[n - 1]
        keys = rows[model.prefixes(n)[staying]] * len(model.words)
        keys += model.last_words(n)[staying]
        pruned.levels.append(Level(keys, level.log10[staying], level.backoff[staying]))
        rows = np.cumsum(staying) - 1
    normalise(pruned)
    return pruned
