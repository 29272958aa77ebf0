from __future__ import annotations

import numpy as np
import pytest

from tools.lm.frequencies import context_log10, word_log10
from tools.lm.ngrams import NgramModel, model_of
from tools.lm.normalising import normalise

WORDS = ["<unk>", "<s>", "</s>", "san", "francisco", "is"]


@pytest.fixture
def coast() -> NgramModel:
    """Every sentence is "san francisco is", though its 1-grams say that francisco is rare."""
    unigrams = np.log10([1e-9, 1e-9, 0.3, 0.3, 0.01, 0.39])
    pairs = np.array([[1, 3], [3, 4], [4, 5], [5, 2]], np.int32)
    certain = np.log10(np.full(4, 0.9))
    numbers = np.arange(6, dtype=np.int32)[:, None]
    model, _ = model_of(WORDS, [(numbers, unigrams, np.zeros(6)), (pairs, certain, np.zeros(4))])
    normalise(model)
    return model


def test_frequencies_are_those_of_the_text_not_of_the_1_grams(coast: NgramModel) -> None:
    frequencies = 10.0 ** word_log10(coast)
    assert frequencies[4] > 0.15  # 0.01 among the 1-grams
    assert frequencies[1] == frequencies[2]


def test_a_context_is_as_frequent_as_its_words_in_a_row(coast: NgramModel) -> None:
    words = word_log10(coast)
    assert context_log10(coast, words, 1) is words
    rows = coast.rows_of(np.array([[3, 4]], np.int32))
    assert context_log10(coast, words, 2)[rows[0]] == pytest.approx(words[3] + np.log10(0.9))


def test_1_grams_alone_are_their_own_frequencies(coast: NgramModel) -> None:
    alone = NgramModel(coast.words, coast.levels[:1])
    shares = 10.0 ** word_log10(alone)
    assert shares.sum() == pytest.approx(1, abs=1e-6)
    assert shares[5] == pytest.approx(0.39, abs=1e-6)
