"""Forced paths, against trying every path."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tools.train.forced import BLANK, forced_path
from tools.train.windows import collapsed


def best_by_trial(log_probs: NDArray[np.float32], tokens: list[int]) -> float:
    """The best score of all paths that say the tokens."""
    frames, width = log_probs.shape
    scores = [
        float(log_probs[np.arange(frames), list(path)].sum())
        for path in itertools.product(range(width), repeat=frames)
        if [t for t, _ in itertools.groupby(path) if t != BLANK] == tokens
    ]
    return max(scores, default=-np.inf)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 2), min_size=1, max_size=4), st.integers(1, 6), st.integers(0, 99))
def test_no_path_is_likelier(tokens: list[int], frames: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(frames, 3))
    log_probs = (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)
    path, score = forced_path(log_probs, np.array(tokens))
    assert score == pytest.approx(best_by_trial(log_probs, tokens), abs=1e-4)
    if score > -np.inf:
        assert collapsed(path).tolist() == tokens
        own = float(log_probs[np.arange(frames), path].sum())
        assert own == pytest.approx(score, abs=1e-4)


def test_a_double_letter_needs_a_blank_between() -> None:
    path, score = forced_path(np.zeros((2, 3), np.float32), np.array([2, 2]))
    assert score == -np.inf
    assert not path.any()
    path, _ = forced_path(np.zeros((3, 3), np.float32), np.array([2, 2]))
    assert path.tolist() == [2, BLANK, 2]
