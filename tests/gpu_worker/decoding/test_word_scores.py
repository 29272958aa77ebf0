from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.decoding import LanguageModel
from gpu_worker.decoding.word_scores import WordScores


@pytest.fixture
def scores(arpa: Path) -> WordScores:
    return WordScores(LanguageModel.load(arpa, 0.5, 1.5))


def test_words_are_scored_after_their_histories(scores: WordScores) -> None:
    assert scores.word(0, "cat", 1) == pytest.approx(-0.2)
    assert scores.word(1, "sat", 2) == pytest.approx(-0.3)
    assert scores.end(2) == scores.end(2) == pytest.approx(-0.4)
    # Backed off from "sat", -1 for <unk>, -10 for not being known, -1 for </s>.
    assert scores.broken_off(2) == pytest.approx(-0.2 - 1.0 - 10.0 - 1.0)


def test_clear_forgets_all_histories_but_the_first(scores: WordScores) -> None:
    scores.word(0, "cat", 1)
    scores.clear()
    with pytest.raises(KeyError):
        scores.end(1)
    assert scores.word(0, "cat", 1) == pytest.approx(-0.2)
