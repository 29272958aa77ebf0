from __future__ import annotations

import pytest
import torch

from gpu_worker.acoustic.echo import Echo, echo_samples
from models import ECHO_MODEL
from models.spec import ModelSpec

SPEC = ModelSpec.load(ECHO_MODEL)
TOKENS = [3, 0, 28, 1, 2, 5, 5, 0, 0, 7, 8, 9, 10, 11, 12, 13]


def step(*windows: torch.Tensor) -> torch.Tensor:
    pcm = torch.stack(windows)
    batch = pcm.shape[0]
    span = torch.tensor([[0, SPEC.window_samples]] * batch)
    rows, first = torch.arange(1, batch + 1), torch.ones(batch, dtype=torch.bool)
    return Echo(SPEC).step(pcm, span, rows, first)


def test_every_frame_says_the_token_it_names() -> None:
    log_probs = step(echo_samples(TOKENS, SPEC.frame_samples))
    assert log_probs.shape == (1, SPEC.chunk_frames, len(SPEC.vocabulary))
    assert log_probs.dtype == torch.float32
    assert log_probs.argmax(-1).tolist() == [TOKENS]


def test_it_is_nearly_certain() -> None:
    log_probs = step(echo_samples(TOKENS, SPEC.frame_samples))
    likeliest, next_best = log_probs.topk(2).values.unbind(-1)
    assert (likeliest > -1e-6).all()
    assert (next_best < -19).all()
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(()))


@pytest.mark.parametrize("sample", [0, -1, 29, 32767, -32768])
def test_any_other_sample_is_the_blank(sample: int) -> None:
    window = torch.full((SPEC.window_samples,), sample, dtype=torch.int16)
    assert (step(window).argmax(-1) == SPEC.blank).all()


def test_only_a_frames_middle_counts() -> None:
    window = echo_samples(TOKENS, SPEC.frame_samples)
    middles = torch.arange(SPEC.chunk_frames) * SPEC.frame_samples + SPEC.frame_samples // 2
    others = torch.ones_like(window, dtype=torch.bool)
    others[middles] = False
    window[others] = 4
    assert step(window).argmax(-1).tolist() == [TOKENS]


def test_items_of_a_batch_are_apart() -> None:
    windows = [echo_samples([token] * SPEC.chunk_frames, SPEC.frame_samples) for token in (3, 9)]
    assert step(*windows).argmax(-1)[:, 0].tolist() == [3, 9]
