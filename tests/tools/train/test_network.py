"""The network over all frames, against the engine's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.whisper_ctc import WhisperCtc
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tests.tools.train.conftest import tones
from tools.train.network import (
    MEL_PER_EMISSION,
    all_logits,
    silenced_after,
    sinusoids,
    whole_features,
)


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec.load(BUNDLED_MODEL)


@pytest.fixture(scope="module")
def model(spec: ModelSpec) -> WhisperCtc:
    model = load_model(spec, torch.device("cpu"))
    assert isinstance(model, WhisperCtc)
    return model


def test_a_chunk_gets_what_the_engine_computes(spec: ModelSpec, model: WhisperCtc) -> None:
    speech = np.tile(tones("the same chunk"), 4)[: spec.window_samples] * 32768
    pcm = torch.from_numpy(speech.astype(np.int16))[None]
    span = torch.tensor([[0, spec.window_samples]])
    row = torch.zeros(1, dtype=torch.int64)
    with torch.inference_mode():
        engine = model.step(pcm, span, row, row == 0)
        every = all_logits(model, model.masked_features(pcm, span)).log_softmax(-1)
    chunk = every[:, spec.left_frames : spec.left_frames + spec.chunk_frames]
    torch.testing.assert_close(chunk, engine, atol=2e-4, rtol=0)


def test_positions_beyond_the_window_continue_those_of_the_weights(model: WhisperCtc) -> None:
    own = model.encoder.pos
    torch.testing.assert_close(sinusoids(1500)[: len(own)], own, atol=1e-3, rtol=0)


def test_clips_longer_than_the_window_are_heard(model: WhisperCtc) -> None:
    with torch.inference_mode():
        logits = all_logits(model, torch.zeros(1, 80, 600))
    assert logits.shape == (1, 150, 29)


def test_features_begin_at_the_first_sample(model: WhisperCtc) -> None:
    samples = torch.zeros(2, 16_000)
    samples[1, 8_000] = 30_000.0  # heard by the frames whose 400 samples hold it
    mel = whole_features(model, samples)
    assert mel.shape == (2, 80, 100)
    heard = (mel[1] > mel[0]).any(0).nonzero().flatten()
    assert heard.tolist() == [49, 50, 51]


def test_frames_after_the_end_are_silence(model: WhisperCtc) -> None:
    mel = silenced_after(torch.ones(2, 80, 8), torch.tensor([MEL_PER_EMISSION, 8]))
    assert (mel[0, :, 4:] == (-6.5 + 4) / 4).all()
    assert (mel[0, :, :4] == 1).all()
    assert (mel[1] == 1).all()
