from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.decoding.merging import first_alike, first_of_each, merge

candidates = st.lists(
    st.tuples(st.integers(0, 6), st.floats(-40, 0, allow_nan=False)), min_size=1, max_size=40
)


@given(candidates=candidates)
def test_merging_against_a_dictionary(candidates: list[tuple[int, float]]) -> None:
    keys = np.array([key for key, _ in candidates], np.uint64)
    scores = np.array([score for _, score in candidates])
    merged = merge(keys, scores)
    assert sorted(keys[merged.first].tolist()) == sorted(set(keys.tolist()))
    for first, best, score in zip(*merged, strict=True):
        members = np.flatnonzero(keys == keys[first])
        assert first == members[0]
        assert keys[best] == keys[first]
        assert scores[best] == scores[members].max()
        np.testing.assert_allclose(score, np.logaddexp.reduce(scores[members]))


@given(keys=st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_first_alike(keys: list[int]) -> None:
    assert first_alike(np.array(keys, np.uint64)).tolist() == [keys.index(key) for key in keys]


@given(keys=st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_first_of_each(keys: list[int]) -> None:
    expected = [i for i, key in enumerate(keys) if key not in keys[:i]]
    assert first_of_each(np.array(keys, np.uint64)).tolist() == expected
