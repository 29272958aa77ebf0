from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpu_worker.decoding import LanguageModel
from gpu_worker.decoding.alternatives import Alternatives, Ended
from gpu_worker.decoding.sentences import EMPTY, Sentences
from tests.gpu_worker.decoding.test_sentences import extend


def dropped(alternatives: Alternatives, winner: int, loser: int, behind: float) -> None:
    alternatives.dropped(np.array([winner]), np.array([loser]), np.array([behind]))


def test_a_dropped_beginning_comes_back_with_what_followed() -> None:
    sentences, alternatives = Sentences(None), Alternatives()
    ab, cb, end = (extend(sentences, *words.split()) for words in ("a b", "c b", "a b d"))
    other = extend(sentences, "a", "b", "e")
    dropped(alternatives, ab, cb, 3.0)
    dropped(alternatives, ab, cb, 2.0)
    found = alternatives.best([Ended(end, -10.0, 0.0), Ended(other, -11.0, 0.0)], sentences, 9)
    assert [(text.text, text.total) for text in found] == [
        ("a b d", -10.0),
        ("a b e", -11.0),
        ("c b d", -12.0),
        ("c b e", -13.0),
    ]
    assert alternatives.best([Ended(end, -10.0, 0.0)], sentences, 1)[0].text == "a b d"


def test_what_was_dropped_for_what_was_dropped_comes_back_too() -> None:
    sentences, alternatives = Sentences(None), Alternatives()
    first, second, third = (extend(sentences, word, "z") for word in "abc")
    dropped(alternatives, first, second, 1.0)
    dropped(alternatives, second, third, 1.0)
    dropped(alternatives, third, first, 0.0)  # round in a circle: nothing is found twice
    found = alternatives.best([Ended(first, -1.0, 0.0)], sentences, 9)
    assert [(text.text, text.total) for text in found] == [
        ("a z", -1.0),
        ("b z", -2.0),
        ("c z", -3.0),
    ]


def test_the_language_model_s_part_is_the_texts_own(arpa: Path) -> None:
    sentences, alternatives = Sentences(LanguageModel.load(arpa, 0.5, 1.5)), Alternatives()
    cat_sat, does_sat = (extend(sentences, word, "sat") for word in ("cat", "does"))
    dropped(alternatives, cat_sat, does_sat, 4.0)
    best, other = alternatives.best(
        [Ended(cat_sat, -5.0, sentences.ended_score(cat_sat))], sentences, 2
    )
    assert other.text == "does sat"
    assert other.language_score == pytest.approx(sentences.ended_score(does_sat))
    assert other.total == pytest.approx(best.total - 4.0)


def test_clear_forgets_all() -> None:
    sentences, alternatives = Sentences(None), Alternatives()
    a, b = extend(sentences, "a"), extend(sentences, "b")
    dropped(alternatives, a, b, 1.0)
    assert len(alternatives.best([Ended(a, -1.0, 0.0)], sentences, 5)) == 2
    alternatives.clear()
    assert len(alternatives.best([Ended(a, -1.0, 0.0)], sentences, 5)) == 1


def test_no_words() -> None:
    assert Alternatives().best([Ended(EMPTY, -1.0, 0.0)], Sentences(None), 5)[0].text == ""
