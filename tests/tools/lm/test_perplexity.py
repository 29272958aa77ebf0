from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tools.lm.tiny import FARM, naive_log10, write
from tools.lm.arpa import load_arpa
from tools.lm.ngrams import NgramModel
from tools.lm.perplexity import Quality, quality_of, score_words


@pytest.fixture
def farm(tmp_path: Path) -> NgramModel:
    return load_arpa(write(tmp_path, FARM))


def test_each_word_is_scored_in_its_own_sentence(farm: NgramModel) -> None:
    lines = ["the cow can't fly", "fly", "", "cow the"]
    expected = []
    for line in lines:
        words = ["<s>", *line.split(), "</s>"]
        expected += [
            naive_log10(FARM, words[max(0, at - 2) : at + 1]) for at in range(1, len(words))
        ]
    assert score_words(farm, lines) == pytest.approx(expected)


def test_unknown_words_are_counted_and_left_out(farm: NgramModel) -> None:
    quality = quality_of(farm, ["the horse", "the cow"])
    known = [("<s> the", 2), ("<unk> </s>", 1), ("<s> the cow", 1), ("the cow </s>", 1)]
    total = sum(count * naive_log10(FARM, words.split()) for words, count in known)
    assert quality.unknown_rate == 0.25
    # after an unknown word the context is that of <unk>, preceded by "the"
    assert quality.perplexity == pytest.approx(10 ** (-total / 5))


def test_text_without_a_known_word_is_infinitely_surprising(farm: NgramModel) -> None:
    farm.levels[0].log10[farm.ids["</s>"]] = -np.inf
    assert quality_of(farm, ["horse"]).perplexity == np.inf


def test_the_figures_read_well() -> None:
    assert str(Quality(123.456, 0.0123)) == "perplexity   123.5,  1.23% unknown words"
