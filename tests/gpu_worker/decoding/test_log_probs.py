from __future__ import annotations

import numpy as np
import pytest
from pyctcdecode.decoder import _log_softmax

from gpu_worker.decoding.log_probs import renormalised


def theirs(rows: np.ndarray) -> np.ndarray:
    return np.clip(_log_softmax(rows, axis=1), np.log(1e-15), 0)


def test_gives_pyctcdecode_s_numbers_to_the_bit(clips: list[np.ndarray]) -> None:
    for clip in clips[:5]:
        np.testing.assert_array_equal(renormalised(clip, 29), theirs(clip))


def test_frames_do_not_depend_on_their_neighbours() -> None:
    rows = np.random.default_rng(1).normal(size=(37, 1025)).astype(np.float32)
    whole = renormalised(rows, 1025)
    for frame in range(37):
        np.testing.assert_array_equal(renormalised(rows[frame : frame + 1], 1025)[0], whole[frame])


def test_impossible_tokens_are_clipped() -> None:
    rows = np.array([[0.0, -np.inf]], np.float32)
    assert renormalised(rows, 2).tolist() == [[0.0, pytest.approx(np.log(1e-15))]]
    assert renormalised(np.zeros((0, 2), np.float32), 2).shape == (0, 2)


@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 2, 4)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(frames, 4\)"):
        renormalised(np.zeros(shape, np.float32), 4)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        renormalised(np.array([[0.0, np.nan]], np.float32), 2)
