from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpu_worker.decoding import LanguageModel
from gpu_worker.decoding.sentences import EMPTY, Sentences


def extend(sentences: Sentences, *words: str) -> int:
    sentence = EMPTY
    for word in words:
        known = sentences.find(sentence, hash(word))
        sentence = sentences.extend(sentence, hash(word), word) if known is None else known
    return sentence


@pytest.fixture
def scored(arpa: Path) -> Sentences:
    return Sentences(LanguageModel.load(arpa, 0.5, 1.5))


def test_a_sentence_has_one_number() -> None:
    sentences = Sentences(None)
    assert sentences.find(EMPTY, hash("a")) is None
    assert extend(sentences, "a", "b") == extend(sentences, "a", "b")
    assert extend(sentences, "a", "b") != extend(sentences, "b", "a")


def test_scores_add_up_along_the_words(scored: Sentences) -> None:
    cat, cat_sat = extend(scored, "cat"), extend(scored, "cat", "sat")
    ln_10 = np.log(10)
    expected = [0.0, 0.5 * ln_10 * -0.2 + 1.5, 0.5 * ln_10 * -0.5 + 3.0]
    np.testing.assert_allclose(scored.scores(np.array([EMPTY, cat, cat_sat])), expected, rtol=1e-6)
    assert scored.ended_score(cat_sat) == pytest.approx(0.5 * ln_10 * -0.9 + 3.0)
    # An unknown, empty third word: -0.2 backed off, -1 for <unk>, -10 for not being known, </s>.
    assert scored.broken_off_score(cat_sat) == pytest.approx(
        0.5 * ln_10 * (-0.5 - 0.2 - 1.0 - 10.0 - 1.0) + 4.5
    )


def test_without_a_model_nothing_is_scored() -> None:
    sentences = Sentences(None)
    word = extend(sentences, "cat")
    assert sentences.scores(np.array([word])).tolist() == [0.0]
    assert (sentences.ended_score(word), sentences.broken_off_score(word)) == (0.0, 0.0)


def test_histories_are_as_long_as_the_model_looks_back() -> None:
    sentences = Sentences(None)
    ends = [extend(sentences, *words.split()) for words in ("a b", "c b", "a c", "b")]
    first, second, third, fourth = sentences.histories(np.array(ends)).tolist()
    assert first == second == fourth != third
    assert sentences.histories(np.array([EMPTY]))[0] not in {first, third}


def test_the_words_of_a_sentence() -> None:
    sentences = Sentences(None)
    ab = extend(sentences, "a", "b")
    assert sentences.words(ab) == ["a", "b"]
    assert sentences.without_last(ab) == (extend(sentences, "a"), "b")
    assert sentences.words(EMPTY) == []
    assert sentences.log10s(ab) == [0.0, 0.0]


def test_each_word_s_score(scored: Sentences) -> None:
    assert scored.log10s(extend(scored, "cat", "sat")) == pytest.approx([-0.2, -0.3])


def test_the_common_beginning() -> None:
    sentences = Sentences(None)
    ends = [extend(sentences, *words.split()) for words in ("a b c d", "a b x", "a b", "a y", "z")]
    assert sentences.common_length(ends[:1]) == 4
    assert sentences.common_length(ends[:2]) == 2
    assert sentences.common_length(ends[:3]) == 2
    assert sentences.common_length(ends[:4]) == 1
    assert sentences.common_length(ends) == 0
    assert sentences.common_length([ends[0], EMPTY]) == 0


def test_the_beam_that_stood_best_gives_the_times() -> None:
    sentences = Sentences(None)
    a, ab = extend(sentences, "a"), extend(sentences, "a", "b")
    for margins, paths in (([-4.0, -1.0], [10, 20]), ([-1.0, -3.0], [11, 21])):
        sentences.completed(np.array([a, ab]), np.array(margins), np.array(paths, np.int32))
    assert sentences.paths(ab) == [11, 20]


def test_growing_keeps_what_is_there(scored: Sentences) -> None:
    first = extend(scored, "cat")
    score = scored.scores(np.array([first]))[0]
    last = extend(scored, "cat", *(f"word{n}" for n in range(1000)))
    assert scored.scores(np.array([first]))[0] == score
    assert scored.common_length([last]) == 1001


def test_clear_forgets_all(scored: Sentences) -> None:
    extend(scored, "cat", "sat")
    scored.clear()
    assert scored.find(EMPTY, hash("cat")) is None
    assert extend(scored, "sat") == 1
