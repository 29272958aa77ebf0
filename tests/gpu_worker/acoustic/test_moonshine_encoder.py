from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch.nn.functional import gelu

from gpu_worker.acoustic.int8 import is_supported
from gpu_worker.acoustic.moonshine_encoder import (
    FIRST_KERNEL,
    FRAME_MARGIN,
    FRAME_SAMPLES,
    LEAST_SAMPLES,
    Encoder,
    EncoderShape,
    Rotation,
)

SHAPE = EncoderShape(
    width=32, hidden=48, encoder_layers=2, heads=4, rotated=6, rotation_base=10_000.0
)

needs_vnni = pytest.mark.skipif(not is_supported(), reason="needs AVX-512 VNNI")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(5)
    return Encoder(SHAPE).eval()


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def frames(encoder: Encoder, seed: int, samples: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    encoded: torch.Tensor = encoder(0.1 * torch.randn(samples, generator=random))
    return encoded


@pytest.mark.parametrize("samples", [LEAST_SAMPLES, LEAST_SAMPLES + 383, 16_000, 33_333])
def test_a_frame_for_every_384_samples(encoder: Encoder, samples: int) -> None:
    assert frames(encoder, 0, samples).shape == (1 + (samples - LEAST_SAMPLES) // 384, SHAPE.width)


def test_less_than_a_frame_cannot_be_encoded(encoder: Encoder) -> None:
    with pytest.raises(RuntimeError):
        encoder(torch.zeros(LEAST_SAMPLES - 1))
    assert LEAST_SAMPLES > FIRST_KERNEL


def test_every_frame_hears_all_of_the_utterance(encoder: Encoder) -> None:
    samples = torch.randn(16_000, generator=torch.Generator().manual_seed(1))
    before = encoder(samples)
    samples[-300:] *= -1
    assert (encoder(samples) != before).any(-1).all()


def test_louder_is_the_same_but_for_the_first_layer(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The norm over time takes the level away, as far as tanh has not."""
    quiet = 1e-3 * torch.randn(16_000, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(encoder.groupnorm, "eps", 1e-12)
    torch.testing.assert_close(encoder(2 * quiet), encoder(quiet), rtol=1e-2, atol=1e-2)


def test_a_rotation_knows_distances_alone() -> None:
    """What two positions make of each other does not change when both are moved."""
    rotation = Rotation(SHAPE)
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))

    def product(at: int, other: int) -> float:
        turned = [
            rotation(one[None], rotation.angles(place, place + 1))
            for one, place in ((query, at), (key, other))
        ]
        return float((turned[0] * turned[1]).sum())

    assert product(3, 10) == pytest.approx(product(103, 110), abs=1e-4)
    assert abs(product(3, 10) - product(3, 11)) > 1e-3


def test_the_rest_of_a_head_does_not_turn() -> None:
    rotation = Rotation(SHAPE)
    head = torch.ones(1, 8)
    turned = rotation(head, rotation.angles(40, 41))
    assert torch.equal(turned[:, SHAPE.rotated :], head[:, SHAPE.rotated :])
    assert not torch.equal(turned[:, : SHAPE.rotated], head[:, : SHAPE.rotated])
    assert turned.norm() == pytest.approx(float(head.norm()), rel=1e-5)


# -- windows


def window_of(begin: int, end: int, samples: int = 40_000, seed: int = 2) -> torch.Tensor:
    window = torch.zeros(samples)
    random = torch.Generator().manual_seed(seed)
    window[begin:end] = 0.1 * torch.randn(end - begin, generator=random)
    return window


def by_selection(encoder: Encoder, window: torch.Tensor, begin: int, end: int) -> torch.Tensor:
    """What counts is taken out instead of the rest being masked: (frames that count, width)."""
    x = torch.tanh(encoder.conv1(window[None, None]))
    middles = torch.arange(x.shape[2]) * 64 + 63
    counted = x[:, :, (middles >= begin) & (middles < end)]
    mean, variance = counted.mean(), counted.var(correction=0)
    x = (x - mean) / torch.sqrt(variance + 1e-5)
    x = x * encoder.groupnorm.weight[:, None] + encoder.groupnorm.bias[:, None]
    x = gelu(encoder.conv3(gelu(encoder.conv2(x)))).transpose(1, 2)
    starts = torch.arange(x.shape[1]) * 384 + 256
    x = x[:, (starts >= begin) & (starts + 64 <= end)]
    angles = encoder.rotation.angles(0, x.shape[1])
    for layer in encoder.layers:
        x = layer(x, encoder.rotation, angles)
    out: torch.Tensor = encoder.layer_norm(x)[0]
    return out


@pytest.mark.parametrize(
    ("begin", "end"), [(0, 40_000), (256 + 384 * 20, 40_000), (256, 20_001), (8_320, 9_000)]
)
def test_what_does_not_count_does_not_exist(encoder: Encoder, begin: int, end: int) -> None:
    window = window_of(begin, end)
    found = encoder.windows(window[None], torch.tensor([[begin, end]]))[0]
    first = max(0, -(-(begin - FRAME_MARGIN) // FRAME_SAMPLES))
    expected = by_selection(encoder, window, begin, end)
    assert len(found) == 1 + (len(window) - LEAST_SAMPLES) // FRAME_SAMPLES
    torch.testing.assert_close(found[first : first + len(expected)], expected, rtol=0, atol=1e-5)


def test_a_window_that_counts_in_full_is_an_utterance(encoder: Encoder) -> None:
    window = window_of(0, 33_000, 33_000)
    found = encoder.windows(window[None], torch.tensor([[0, 33_000]]))[0]
    utterance = encoder(window)
    torch.testing.assert_close(found[:-1], utterance[:-1], rtol=0, atol=1e-4)


def test_windows_of_a_batch_do_not_touch(encoder: Encoder) -> None:
    spans = [(0, 40_000), (9_000, 40_000), (0, 12_345)]
    windows = torch.stack([window_of(*span, seed=seed) for seed, span in enumerate(spans)])
    together = encoder.windows(windows, torch.tensor(spans))
    for item, span in enumerate(spans):
        alone = encoder.windows(windows[item : item + 1], torch.tensor([span]))[0]
        torch.testing.assert_close(alone, together[item], rtol=0, atol=1e-5)


def test_a_window_without_a_segment_is_finite(encoder: Encoder) -> None:
    assert encoder.windows(torch.zeros(1, 20_000), torch.tensor([[0, 0]])).isfinite().all()


def test_training_computes_the_same(encoder: Encoder) -> None:
    window, span = window_of(256, 20_001)[None], torch.tensor([[256, 20_001]])
    served = encoder.windows(window, span)
    with torch.inference_mode(False), torch.enable_grad():
        trained = encoder.windows(window.clone(), span.clone())
    torch.testing.assert_close(trained.detach(), served, rtol=0, atol=1e-5)


# -- compiled


@pytest.fixture(scope="module")
def in_8_bits(encoder: Encoder) -> Encoder:
    compiled = copy.deepcopy(encoder)
    compiled.use_int8()
    return compiled


def relative_error(found: torch.Tensor, exact: torch.Tensor) -> float:
    assert found.shape == exact.shape
    return float((found - exact).square().mean().sqrt() / exact.std())


@needs_vnni
@pytest.mark.parametrize("samples", [LEAST_SAMPLES, LEAST_SAMPLES + 384, 16_000, 200_001])
def test_8_bits_are_near_to_float32(encoder: Encoder, in_8_bits: Encoder, samples: int) -> None:
    assert relative_error(frames(in_8_bits, 3, samples), frames(encoder, 3, samples)) < 0.03


@needs_vnni
@pytest.mark.parametrize("wanted", [slice(None), slice(30, 55)])
def test_windows_in_8_bits(encoder: Encoder, in_8_bits: Encoder, wanted: slice) -> None:
    """What counts of them. The first layer is PyTorch's, whose last digits depend on the batch."""
    spans = [(0, 40_000), (256 + 384 * 20, 40_000), (256, 30_001)]
    windows = torch.stack([window_of(*span, seed=seed) for seed, span in enumerate(spans)])
    exact = encoder.windows(windows, torch.tensor(spans), wanted)
    together = in_8_bits.windows(windows, torch.tensor(spans), wanted)
    counted = [slice(0, 99), slice(20, 99), slice(0, 75)]
    for item, (span, counts) in enumerate(zip(spans, counted, strict=True)):
        seen = range(99)[wanted]
        heard = [place for place, frame in enumerate(seen) if counts.start <= frame < counts.stop]
        assert relative_error(together[item, heard], exact[item, heard]) < 0.03
        alone = in_8_bits.windows(windows[item : item + 1], torch.tensor([span]), wanted)[0]
        torch.testing.assert_close(alone, together[item], rtol=0, atol=0.1)
