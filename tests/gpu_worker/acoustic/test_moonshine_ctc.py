"""The network with made-up weights, by itself and through the whole worker."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_worker.acoustic.int8 import is_supported
from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from gpu_worker.acoustic.moonshine_encoder import EncoderShape
from tests.gpu_worker.acoustic import windowed
from tests.gpu_worker.tiny import TINY

SHAPE: Final = EncoderShape(
    width=32, hidden=48, encoder_layers=2, heads=4, rotated=6, rotation_base=10_000.0
)
SPEC: Final = replace(
    TINY,
    architecture="moonshine-ctc",
    sample_rate_hz=16_000,
    frame_samples=384,
    hop_samples=64,
    chunk_frames=25,
    left_frames=50,
    right_samples=4_863,
    margin_samples=256,
)
SAMPLES: Final = (np.random.default_rng(1).normal(size=60_000) * 2_000).astype(np.int16)


@pytest.fixture(scope="module")
def model() -> MoonshineCtc:
    torch.manual_seed(4)
    return MoonshineCtc(SPEC, SHAPE).eval()


@settings(max_examples=8, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 60_000), max_size=12),
    length=st.integers(1, 60_000),
    slot=st.integers(0, windowed.SLOTS - 1),
    neighbours=st.sets(st.integers(0, windowed.SLOTS - 1)),
)
def test_any_arrival_in_any_slot_beside_any_neighbours(
    model: MoonshineCtc, cuts: list[int], length: int, slot: int, neighbours: set[int]
) -> None:
    windowed.assert_arrival_does_not_matter(SPEC, model, SAMPLES[:length], cuts, slot, neighbours)


def test_a_second_segment_is_as_if_it_were_the_first(model: MoonshineCtc) -> None:
    windowed.assert_segments_do_not_touch(SPEC, model, SAMPLES[:30_000])


def test_items_of_a_batch_do_not_touch(model: MoonshineCtc) -> None:
    windowed.assert_items_of_a_batch_do_not_touch(SPEC, model, SAMPLES)


def first_window() -> torch.Tensor:
    return torch.from_numpy(SAMPLES[None, : SPEC.window_samples])


def test_log_probabilities_are_normalised(model: MoonshineCtc) -> None:
    log_probs = windowed.step(model, first_window(), [[0, SPEC.window_samples]])
    assert log_probs.shape == (1, SPEC.chunk_frames, len(SPEC.vocabulary))
    assert log_probs.dtype == torch.float32
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(()), atol=1e-5)


def test_a_chunk_is_where_the_geometry_says(model: MoonshineCtc) -> None:
    span = torch.tensor([[0, SPEC.window_samples]])
    with torch.inference_mode():
        served = model.step(first_window(), span, span, span)
        wide = model.logits(first_window(), span, SPEC.left_frames - 3, 30).log_softmax(-1)
    torch.testing.assert_close(wide[:, 3 : 3 + SPEC.chunk_frames], served)


@pytest.mark.skipif(not is_supported(), reason="needs AVX-512 VNNI")
def test_8_bits_say_nearly_the_same(model: MoonshineCtc) -> None:
    rounded = MoonshineCtc(SPEC, SHAPE).eval()
    rounded.load_state_dict(model.state_dict())
    rounded.use_int8()
    assert isinstance(rounded.head, torch.nn.Linear)
    spans = [[0, SPEC.window_samples]]
    exact, near = (windowed.step(one, first_window(), spans).exp() for one in (model, rounded))
    assert not torch.equal(exact, near)
    assert (exact - near).abs().max() < 0.05
