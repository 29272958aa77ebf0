"""Against every alignment there is, on small cases, and PyTorch's CTC loss on larger ones."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_worker.decoding.ctc_states import TokenSpan, best_walk, log_likelihoods

BLANK = 0


def random_rows(frames: int, width: int, seed: int) -> NDArray[np.float32]:
    logits = 3 * np.random.default_rng(seed).normal(size=(frames, width))
    rows: NDArray[np.float64] = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return rows.astype(np.float32)


def said(alignment: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in groupby(alignment) if token != BLANK)


def spans(alignment: tuple[int, ...]) -> tuple[TokenSpan, ...]:
    found, frame = [], 0
    for token, run in groupby(alignment):
        length = len(list(run))
        if token != BLANK:
            found.append(TokenSpan(frame, frame + length))
        frame += length
    return tuple(found)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), frames=st.integers(0, 6), width=st.integers(2, 3))
def test_all_alignments_of_all_texts(seed: int, frames: int, width: int) -> None:
    rows = random_rows(frames, width, seed)
    alignments: dict[tuple[int, ...], list[tuple[float, tuple[int, ...]]]] = {}
    for alignment in product(range(width), repeat=frames):
        score = float(rows[np.arange(frames), list(alignment)].sum(dtype=np.float64))
        alignments.setdefault(said(alignment), []).append((score, alignment))
    texts = list(alignments)
    expected = [np.logaddexp.reduce([score for score, _ in alignments[text]]) for text in texts]
    np.testing.assert_allclose(log_likelihoods(rows, texts, BLANK), expected, rtol=1e-6, atol=1e-6)
    for text in texts:
        assert best_walk(rows, text, BLANK) == spans(max(alignments[text])[1])


def test_long_texts_as_pytorch_s_ctc_loss() -> None:
    rng = np.random.default_rng(5)
    rows = random_rows(120, 29, 5)
    texts = [tuple(rng.integers(1, 29, size).tolist()) for size in (0, 1, 17, 59)]
    texts.append((3, 3, 3, 4, 4))
    expected = [
        -torch.nn.functional.ctc_loss(
            torch.tensor(rows[:, None], dtype=torch.float64),
            torch.tensor([text], dtype=torch.long),
            torch.tensor([len(rows)]),
            torch.tensor([len(text)]),
            reduction="sum",
        ).item()
        for text in texts
    ]
    np.testing.assert_allclose(log_likelihoods(rows, texts, BLANK), expected, rtol=1e-9)


def test_texts_do_not_bear_on_each_other() -> None:
    rows = random_rows(9, 5, 1)
    texts = [(1, 2), (), (2, 2, 2, 2, 2, 2), (4,)]
    alone = [log_likelihoods(rows, [text], BLANK)[0] for text in texts]
    assert log_likelihoods(rows, texts, BLANK).tolist() == alone
    assert alone[2] == -np.inf


@pytest.mark.parametrize(
    ("text", "needed"), [((), 0), ((1,), 1), ((1, 2, 1), 3), ((1, 1), 3), ((1, 1, 1), 5)]
)
def test_as_many_frames_as_tokens_and_one_between_equal_ones(
    text: tuple[int, ...], needed: int
) -> None:
    for frames in range(7):
        rows = random_rows(frames, 3, frames)
        enough = frames >= needed
        assert (best_walk(rows, text, BLANK) is not None) == enough
        assert np.isfinite(log_likelihoods(rows, [text], BLANK)[0]) == enough


def test_impossible_tokens_do_not_spoil_the_rest() -> None:
    rows = np.array([[np.log(0.5), np.log(0.5), -np.inf], [-np.inf, 0.0, -np.inf]])
    found = log_likelihoods(rows, [(1,), (2,), ()], BLANK)
    assert found.tolist() == [pytest.approx(0.0), -np.inf, -np.inf]
    assert best_walk(rows, (2,), BLANK) is None
