from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tools.lm.sums import assert_sums_to_one
from tests.tools.lm.tiny import FARM, TOWN, write
from tools.lm.arpa import load_arpa
from tools.lm.mixing import best_weights, mix, with_words
from tools.lm.ngrams import NgramModel
from tools.lm.normalising import normalise


def log10(model: NgramModel, text: str) -> float:
    grams = np.array([[model.ids[word] for word in text.split()]], np.int32)
    return float(model.log10_of(grams)[0])


@pytest.fixture
def farm(tmp_path: Path) -> NgramModel:
    return proper(load_arpa(write(tmp_path, FARM)))


@pytest.fixture
def town(tmp_path: Path) -> NgramModel:
    return proper(load_arpa(write(tmp_path, TOWN)))


def proper(model: NgramModel) -> NgramModel:
    first = model.levels[0].log10
    first -= np.log10((10.0**first).sum())
    normalise(model)
    return model


def test_a_mixture_is_a_model_of_all_words_and_ngrams(farm: NgramModel, town: NgramModel) -> None:
    mixture = mix([farm, town], [0.7, 0.3])
    assert set(mixture.words) == set(farm.words) | set(town.words)
    assert mixture.counts == [8, 8, 2]  # "<s> the" is in both
    assert_sums_to_one(mixture)


def test_single_words_are_weighted_as_told(farm: NgramModel, town: NgramModel) -> None:
    mixture = mix([farm, town], [0.7, 0.3])
    expected = 0.7 * 10 ** log10(farm, "fly") + 0.3 * 10 ** log10(town, "fly")
    assert 10 ** log10(mixture, "fly") == pytest.approx(expected)
    assert 10 ** log10(mixture, "tram") == pytest.approx(0.3 * 10 ** log10(town, "tram"))


def test_where_only_one_model_knows_the_context_it_decides(
    farm: NgramModel, town: NgramModel
) -> None:
    mixture = mix([farm, town], [0.99, 0.01])
    assert log10(mixture, "tram </s>") == pytest.approx(log10(town, "tram </s>"), abs=1e-6)
    assert log10(mixture, "the cow can't") == pytest.approx(log10(farm, "the cow can't"), abs=1e-6)


def test_a_model_mixed_with_itself_is_itself(farm: NgramModel) -> None:
    mixture = mix([farm, farm], [0.5, 0.5])
    for n in (2, 3):
        grams = farm.grams(n)
        assert mixture.log10_of(grams) == pytest.approx(farm.log10_of(grams), abs=1e-6)


def test_the_sentence_s_begin_is_never_predicted(farm: NgramModel, town: NgramModel) -> None:
    farm.levels[0].log10[farm.ids["<s>"]] = 0.0  # as lmplz writes it
    mixture = mix([farm, town], [0.5, 0.5])
    assert mixture.levels[0].log10[mixture.ids["<s>"]] == -np.inf


def test_other_words_leave_a_model_s_scores_alone(farm: NgramModel) -> None:
    renamed = with_words(farm, ["new", *reversed(farm.words)])
    assert log10(renamed, "new") == -np.inf
    for text in ("the cow can't", "cow the fly", "fly </s>"):
        assert log10(renamed, text) == pytest.approx(log10(farm, text))


def test_the_best_weights_are_the_shares_that_the_words_came_from() -> None:
    words = 3000
    scores = np.log10(np.array([[0.9, 0.1], [0.1, 0.9]]))[:, np.arange(words) % 4 // 3]
    scores = np.concatenate([scores, np.full((2, 5), -np.inf)], axis=1)
    # three quarters look like the first model's: w * 0.9 + (1 - w) * 0.1 = 0.75
    assert best_weights(scores) == pytest.approx([0.8125, 0.1875], abs=0.01)


def test_without_a_known_word_all_weigh_the_same() -> None:
    assert best_weights(np.full((2, 3), -np.inf)) == [0.5, 0.5]
