"""Pairs of words that were heard right."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.eval.matching import right_words
from tools.loadtest.wer import edit_distance

words = st.lists(st.sampled_from(["a", "b", "c"]), max_size=8)


@pytest.mark.parametrize(
    ("said", "heard", "pairs"),
    [
        ("the cat sat", "the cat sat", [(0, 0), (1, 1), (2, 2)]),
        ("the cat sat", "a cat sat", [(1, 1), (2, 2)]),
        ("the cat sat", "cat sat", [(1, 0), (2, 1)]),
        ("the cat sat", "the big cat sat", [(0, 0), (1, 2), (2, 3)]),
        ("the cat", "", []),
        ("", "the cat", []),
    ],
)
def test_pairs(said: str, heard: str, pairs: list[tuple[int, int]]) -> None:
    assert right_words(said.split(), heard.split()) == pairs


@given(words, words)
def test_pairs_belong_to_an_alignment_with_the_fewest_errors(
    said: list[str], heard: list[str]
) -> None:
    pairs = right_words(said, heard)
    assert all(said[i] == heard[j] for i, j in pairs)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(pairs))
    # Between two pairs the cheapest is to substitute as far as both go and insert or delete the
    # rest.
    marks = [(-1, -1), *pairs, (len(said), len(heard))]
    cost = sum(max(b[0] - a[0], b[1] - a[1]) - 1 for a, b in pairwise(marks))
    assert cost == edit_distance(said, heard)
