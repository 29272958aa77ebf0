"""The compiled encoder and head against PyTorch's, with bundled and with made-up weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from gpu_worker.acoustic import _native
from gpu_worker.acoustic.compiled_whisper import CompiledEncoder, CompiledHead
from gpu_worker.acoustic.int8 import is_supported, round_layers
from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.whisper_ctc import (
    ATTENTION_HEADS,
    JOINED_WIDTH,
    PAST_FRAMES,
    Encoder,
    Head,
    WhisperCtc,
)
from models import WHISPER_CTC_MODEL
from models.spec import ModelSpec

GOLDEN = Path(__file__).parents[2] / "data" / "golden_log_probs.npz"
CLIP = "2412-153954-0013"

pytestmark = pytest.mark.skipif(not is_supported(), reason="needs AVX-512 VNNI")


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec.load(WHISPER_CTC_MODEL)


@pytest.fixture(scope="module")
def model(spec: ModelSpec) -> WhisperCtc:
    model = load_model(spec, torch.device("cpu"))
    assert isinstance(model, WhisperCtc)
    return model


@pytest.fixture(scope="module")
def encoder(model: WhisperCtc) -> Encoder:
    assert isinstance(model.encoder, Encoder)
    return model.encoder


@pytest.fixture(scope="module")
def head(model: WhisperCtc) -> Head:
    assert isinstance(model.head, Head)
    return model.head


@pytest.fixture(scope="module")
def features(spec: ModelSpec, model: WhisperCtc) -> torch.Tensor:
    """Of speech, (1, 80, 416)."""
    pcm = torch.zeros(1, spec.window_samples, dtype=torch.int16)
    with np.load(GOLDEN) as golden:
        samples = torch.from_numpy(golden[f"samples_{CLIP}"])[: spec.window_samples]
    pcm[0, : len(samples)] = samples
    with torch.inference_mode():
        return model.masked_features(pcm, torch.tensor([[0, len(samples)]]))


def relative_error(found: torch.Tensor, exact: torch.Tensor) -> float:
    assert found.shape == exact.shape
    return float((found - exact).square().mean().sqrt() / exact.std())


def test_the_encoder_is_as_near_to_float32_as_8_bits_are(
    model: WhisperCtc, encoder: Encoder, features: torch.Tensor
) -> None:
    """PyTorch's convolutions are in float32, which makes a part of the difference."""
    rounded = copy.deepcopy(encoder)
    round_layers(rounded)
    wanted = model.seen_by_chunk
    exact = encoder(features, wanted)
    error = relative_error(CompiledEncoder(encoder, ATTENTION_HEADS)(features, wanted), exact)
    assert error < 1.5 * relative_error(rounded(features, wanted), exact)
    assert error < 0.1


def test_the_head_is_near_to_pytorch_with_the_same_layers(
    model: WhisperCtc, encoder: Encoder, head: Head, features: torch.Tensor
) -> None:
    """The last layer stays in float32 in both."""
    joined = encoder(features, model.seen_by_chunk)
    rounded = copy.deepcopy(head)
    round_layers(rounded, but=rounded.out)
    found = CompiledHead(head, PAST_FRAMES)(joined)
    assert relative_error(found, rounded(joined)) < 0.01
    assert relative_error(found, head(joined)) < 0.05


@pytest.mark.parametrize("frames", [61, 62, 90])
def test_a_head_of_any_length(head: Head, frames: int) -> None:
    joined = torch.randn(2, frames, JOINED_WIDTH, generator=torch.Generator().manual_seed(2))
    compiled = CompiledHead(head, PAST_FRAMES)
    assert relative_error(compiled(joined), head(joined)) < 0.1
    compiled.out = torch.nn.Identity()  # PyTorch's, whose last digits depend on the batch
    together = compiled(joined)
    for item in range(2):
        assert torch.equal(compiled(joined[item : item + 1])[0], together[item])


def test_made_up_weights(encoder: Encoder) -> None:
    """Norms, positions and biases that the trained weights hardly need."""
    torch.manual_seed(3)
    random = Encoder(100)
    for name, weight in random.named_parameters():
        if name.split(".")[-2].startswith("ln"):
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    random.pos.normal_()
    mel = torch.randn(2, 80, 200)
    found = CompiledEncoder(random, ATTENTION_HEADS)(mel)
    assert found.shape == (2, 50, JOINED_WIDTH)
    assert relative_error(found, random(mel)) < 0.05
    assert torch.equal(
        found[:, 10:20], CompiledEncoder(random, ATTENTION_HEADS)(mel, slice(10, 20))
    )


def test_amx_gives_the_same_bits(
    model: WhisperCtc, encoder: Encoder, head: Head, features: torch.Tensor
) -> None:
    encoders = [CompiledEncoder(encoder, ATTENTION_HEADS, may_use_amx=amx) for amx in (True, False)]
    with_amx, without = (one(features, model.seen_by_chunk) for one in encoders)
    assert torch.equal(with_amx, without)
    heads = [CompiledHead(head, PAST_FRAMES, may_use_amx=amx) for amx in (True, False)]
    assert torch.equal(*(one(with_amx) for one in heads))


def test_what_does_not_fit_a_head(head: Head) -> None:
    compiled = CompiledHead(head, PAST_FRAMES)
    with pytest.raises(ValueError, match="joined must be"):
        compiled(torch.zeros(1, 70, JOINED_WIDTH - 1))
    with pytest.raises(ValueError, match="out must be"):
        compiled._blocks.run(
            np.zeros((1, 70, JOINED_WIDTH), np.float32), np.zeros((1, 11, 384), np.float32)
        )
    assert isinstance(compiled._blocks, _native.ConvolutionHead)
