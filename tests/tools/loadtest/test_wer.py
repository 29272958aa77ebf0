from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.loadtest.wer import count_word_errors, edit_distance, plain_words

SENTENCES = st.lists(st.sampled_from("abcd"), max_size=8)


def by_definition(reference: tuple[str, ...], hypothesis: tuple[str, ...]) -> int:
    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        return min(
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
            distance(i - 1, j - 1) + (reference[i - 1] != hypothesis[j - 1]),
        )

    return distance(len(reference), len(hypothesis))


@given(SENTENCES, SENTENCES)
def test_the_distance_is_the_one_defined(left: list[str], right: list[str]) -> None:
    assert edit_distance(left, right) == by_definition(tuple(left), tuple(right))


@given(SENTENCES, SENTENCES, SENTENCES)
def test_it_is_a_metric(a: list[str], b: list[str], c: list[str]) -> None:
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, b) == edit_distance(b, a)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't, STOP!", ["don't", "stop"]),
        ("'hello' the dogs' bowl", ["hello'", "the", "dogs'", "bowl"]),
        ("72 times", ["72", "times"]),
        (" \n", []),
    ],
)
def test_words_are_compared_plainly(text: str, words: list[str]) -> None:
    assert plain_words(text) == words


def test_errors_add_up_over_pairs_that_are_aligned_one_by_one() -> None:
    errors = count_word_errors([("a b", "a"), ("c d", "b c d"), ("e", "")])
    assert (errors.errors, errors.words) == (3, 5)
    assert errors.rate == pytest.approx(0.6)


def test_without_transcripts_there_is_no_rate() -> None:
    assert count_word_errors([]).rate is None
