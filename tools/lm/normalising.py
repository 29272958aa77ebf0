"""Back-off weights that make every context's probabilities sum to one.

A context h with the words S that the model lists after it gives the rest of the mass to the shorter
context h': backoff(h) = (1 - sum over S of p(w|h)) / (1 - sum over S of p(w|h')). What Katz (1987)
derived, computed for all contexts of a length at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tools.lm.ngrams import Level, NgramModel, Scores

_LEAST_MASS: Final = 1e-9  # below it a remainder is rounding


def normalise(model: NgramModel) -> None:
    """Sets all back-off weights of a model, from the shortest contexts on."""
    for n in range(2, model.order + 1):
        context = model.levels[n - 2]
        model.levels[n - 2] = Level(context.keys, context.log10, _backoff(model, n))
    longest = model.levels[-1]
    model.levels[-1] = Level(longest.keys, longest.log10, np.zeros(len(longest)))


def _backoff(model: NgramModel, n: int) -> Scores:
    prefixes, count = model.prefixes(n), len(model.levels[n - 2])
    listed = 10.0 ** model.levels[n - 1].log10
    shorter = 10.0 ** model.log10_of(model.grams(n)[:, 1:])
    left = 1 - np.bincount(prefixes, listed, count)
    left_of_shorter = 1 - np.bincount(prefixes, shorter, count)
    backoff = np.log10(np.maximum(left, _LEAST_MASS) / np.maximum(left_of_shorter, _LEAST_MASS))
    followed = np.bincount(prefixes, minlength=count) > 0
    return np.where(followed, backoff, 0.0)
