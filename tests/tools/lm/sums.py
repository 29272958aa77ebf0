"""What makes a model a model: probabilities that sum to one after whatever came before."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tools.lm.ngrams import NgramModel


def assert_sums_to_one(model: NgramModel) -> None:
    """Checks every sequence of words up to the model's context length."""
    count = len(model.words)
    for length in range(model.order):
        for context in itertools.product(range(count), repeat=length):
            grams = np.array([[*context, word] for word in range(count)], np.int32)
            total = (10.0 ** model.log10_of(grams)).sum()
            assert total == pytest.approx(1, abs=1e-6), [model.words[word] for word in context]
