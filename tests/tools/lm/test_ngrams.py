from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.tools.lm.tiny import FARM, naive_log10, write
from tools.lm.arpa import load_arpa
from tools.lm.ngrams import NgramModel, model_of


@pytest.fixture
def farm(tmp_path: Path) -> NgramModel:
    return load_arpa(write(tmp_path, FARM))


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_every_sequence_of_words_scores_as_back_off_is_defined(
    farm: NgramModel, length: int
) -> None:
    sequences = [
        sequence
        for sequence in itertools.product(farm.words, repeat=length)
        if "<s>" not in sequence[1:] and sequence[-1] != "<s>"
    ]
    ids = np.array([[farm.ids[word] for word in words] for words in sequences], np.int32)
    expected = [naive_log10(FARM, list(words)) for words in sequences]
    assert farm.log10_of(ids) == pytest.approx(expected)


def test_grams_and_rows_are_inverse(farm: NgramModel) -> None:
    for n in (1, 2, 3):
        grams = farm.grams(n)
        assert grams.shape == (len(farm.levels[n - 1]), n)
        assert farm.rows_of(grams).tolist() == list(range(len(grams)))


def test_what_is_not_listed_has_no_row(farm: NgramModel) -> None:
    ids = [farm.ids[word] for word in ("fly", "fly", "cow")]
    assert farm.rows_of(np.array([ids], np.int32)).tolist() == [-1]


def test_an_unlisted_context_costs_nothing(farm: NgramModel) -> None:
    contexts = np.array([[farm.ids["fly"], farm.ids["fly"]]], np.int32)
    assert farm.backoff_of(contexts).tolist() == [0.0]


def test_an_ngram_without_its_beginning_is_named() -> None:
    zeros = np.zeros(2)
    unigrams = np.array([[0], [1]], np.int32), zeros, zeros
    bigrams = np.array([[0, 1]], np.int32), zeros[:1], zeros[:1]
    trigrams = np.array([[0, 1, 0], [1, 1, 0]], np.int32), zeros, zeros
    _, orphan = model_of(["a", "b"], [unigrams, bigrams, trigrams])
    assert orphan is not None
    assert orphan.tolist() == [3, 1]
