from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_worker.second_pass import taught_words
from gpu_worker.second_pass.choice import CTC_WEIGHT, LANGUAGE_WEIGHT
from gpu_worker.second_pass.taught_words import (
    LEAST_LIKENESS,
    MOST_CANDIDATES,
    UNLIKENESS_COST,
    TaughtWords,
)

MEMNON = TaughtWords({"memnon"})


class Supported:
    """`Scores` in which each word of ``words`` lifts CTC by ``nats``, in whatever place."""

    def __init__(
        self, words: str, nats: float = 10.0, language: Mapping[str, float] | None = None
    ) -> None:
        self._words = set(words.split())
        self._nats = nats
        self._language = language or {}

    def prefixes(self, text: str) -> NDArray[np.float64]:
        raise AssertionError("whole texts are compared")

    def wholes(self, texts: Sequence[str]) -> NDArray[np.float64]:
        fits = [sum(word in self._words for word in text.split()) for text in texts]
        return self._nats * np.array(fits, np.float64)

    def language(self, text: str) -> float:
        return self._language.get(text, 0.0)


# -- from the first pass


def test_a_taught_word_comes_from_the_first_pass() -> None:
    """And nothing else does."""
    right = "the vigilance of memnon the bishop"
    heard, first_pass = "the vigilance of anyone the bishop", "a vigilance of memnon the bishop"
    assert MEMNON.corrected(heard, first_pass, Supported(right)) == right
    assert TaughtWords().corrected(heard, first_pass, Supported(right)) == heard


def test_a_taught_word_without_support_is_not_put_in() -> None:
    heard, first_pass = "the vigilance of anyone", "the vigilance of memnon"
    assert MEMNON.corrected(heard, first_pass, Supported(heard)) == heard


def test_a_taught_word_that_both_heard_changes_nothing_else() -> None:
    heard, first_pass = "now memnon came", "nor memnon cane"
    assert MEMNON.corrected(heard, first_pass, Supported(heard)) == heard


def test_several_taught_words_each_in_their_place() -> None:
    taught = TaughtWords({"memnon", "tait"})
    right = "tait saw memnon today"
    assert taught.corrected("eight saw anyone today", right, Supported(right)) == right


# -- by their spelling


@pytest.mark.parametrize(
    ("heard", "right"),
    [
        ("did shemerda come", "did shimerda come"),
        ("did shamir da come", "did shimerda come"),
        ("the first shemerda", "the first shimerda"),
        ("shemerda and shimmerda", "shimerda and shimerda"),
    ],
)
def test_a_taught_word_is_put_where_it_was_spelled_otherwise(heard: str, right: str) -> None:
    """Though the first pass did not find it either; also over several words."""
    scores = Supported(right)
    assert TaughtWords({"shimerda", "quilter"}).corrected(heard, "", scores) == right


def test_what_is_spelled_otherwise_stays_where_ctc_heard_it() -> None:
    taught = TaughtWords({"clarets"})
    assert taught.corrected("two claret", "", Supported("two claret")) == "two claret"
    assert taught.corrected("two claret", "", Supported("two clarets")) == "two clarets"


def test_the_language_model_decides_with_ctc() -> None:
    """What is as well supported by sound goes by what the operator's model expects."""
    taught, sound = TaughtWords({"kaliko"}), Supported("king")
    assert taught.corrected("king kalico", "", sound) == "king kalico"
    enough = UNLIKENESS_COST / LANGUAGE_WEIGHT
    expects = Supported("king", language={"king kaliko": -1.0, "king kalico": -1.0 - enough})
    assert taught.corrected("king kalico", "", expects) == "king kaliko"


def test_the_less_alike_the_more_support_is_needed() -> None:
    taught = TaughtWords({"abcdefgh"})
    one_letter = UNLIKENESS_COST / 8 / CTC_WEIGHT
    just_enough = Supported("abcdefgh", nats=1.01 * one_letter)
    assert taught.corrected("abcdefgx", "", just_enough) == "abcdefgh"
    assert taught.corrected("abcdefxx", "", just_enough) == "abcdefxx"


def test_the_better_of_two_that_overlap() -> None:
    taught = TaughtWords({"hofbrau", "brauer"})
    assert taught.corrected("the hof brau er", "", Supported("hofbrau")) == "the hofbrau er"
    assert taught.corrected("the hof brau er", "", Supported("brauer")) == "the hof brauer"


def test_what_is_not_alike_is_not_tried() -> None:
    assert MEMNON.respellings(["the", "vigilance", "of", "men", "on", "time"]) == [
        (1 - 1 / 6, 3, 5, "memnon")
    ]
    assert MEMNON.respellings(["a", "memnon", "is", "there"]) == []
    assert MEMNON.respellings([]) == []


def test_so_many_candidates_are_tried_and_no_more() -> None:
    taught = TaughtWords(f"abcdef{letter}" for letter in "ghijklmnopqrstuvwxyz")
    found = taught.respellings(["abcdefa", "abcdefb"])
    assert len(found) == MOST_CANDIDATES
    assert found == sorted(found, reverse=True)


def test_too_many_words_are_not_respelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taught_words, "MOST_RESPELLED", 1)
    taught, scores = TaughtWords({"shimerda", "quilter"}), Supported("shimerda")
    assert taught.corrected("shemerda", "", scores) == "shemerda"
    assert taught.corrected("shemerda", "shimerda", scores) == "shimerda"


# -- whatever is heard

WORD = st.text("abc'", min_size=1, max_size=7)
TEXT = st.lists(WORD, max_size=6).map(" ".join)


@given(text=TEXT, first_pass=TEXT, taught=st.frozensets(WORD, max_size=5), said=TEXT)
def test_only_words_that_somebody_heard_or_taught(
    text: str, first_pass: str, taught: frozenset[str], said: str
) -> None:
    found = TaughtWords(taught).corrected(text, first_pass, Supported(said))
    assert set(found.split()) <= {*text.split(), *first_pass.split(), *taught}


@given(words=st.lists(WORD, max_size=5), taught=st.frozensets(WORD, max_size=8))
def test_likeness_is_in_bounds_and_symmetrical(words: list[str], taught: frozenset[str]) -> None:
    found = TaughtWords(taught).respellings(words)
    assert all(LEAST_LIKENESS <= respelling.likeness <= 1 for respelling in found)
    for likeness, start, end, word in found:
        if end == start + 1 and words[start] not in taught:
            mirrored = TaughtWords({words[start]}).respellings([word])
            assert mirrored == [(likeness, 0, 1, words[start])]
