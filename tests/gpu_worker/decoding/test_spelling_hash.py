from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.decoding.spelling_hash import (
    prefix_hashes,
    scattered,
    spelling_hashes,
    spelling_powers,
)

texts = st.text(max_size=12)


@given(left=texts, right=texts)
def test_a_spelling_hashes_alike_however_it_is_put_together(left: str, right: str) -> None:
    whole, first, second = spelling_hashes([left + right, left, right])
    power = spelling_powers([right])
    assert whole == (np.array([first]) * power + second)[0]


@given(words=st.lists(texts, max_size=8))
def test_prefixes_are_those_that_python_finds(words: list[str]) -> None:
    expected = {word[:end] for word in words for end in range(1, len(word) + 1)}
    assert set(prefix_hashes(words).tolist()) == set(spelling_hashes(sorted(expected)).tolist())


@given(spellings=st.sets(texts, min_size=2, max_size=30))
def test_different_spellings_have_different_hashes(spellings: set[str]) -> None:
    assert len(set(spelling_hashes(sorted(spellings)).tolist())) == len(spellings)


def test_the_empty_spelling() -> None:
    assert spelling_hashes([""]).tolist() == [0]
    assert spelling_powers([""]).tolist() == [1]
    assert spelling_hashes([]).tolist() == []


def test_scattering_is_one_to_one() -> None:
    assert len(np.unique(scattered(np.arange(100_000)))) == 100_000
