"""The network over windows of any chunk length, against the engine's own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.whisper_ctc import WhisperCtc
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tests.tools.train.conftest import tones
from tools.train.network import chunk_logits, masked_features, window_samples


@pytest.mark.parametrize("chunk", [16, 8, 4])
def test_a_chunk_gets_what_the_engine_computes(chunk: int) -> None:
    """The engine, told of such chunks, gives these very log-probabilities."""
    bundled = ModelSpec.load(BUNDLED_MODEL)
    spec = dataclasses.replace(bundled, chunk_frames=chunk)
    weights = load_model(bundled, torch.device("cpu")).state_dict()
    engine = WhisperCtc(spec)
    assert window_samples(80 + chunk + 8) == spec.window_samples
    weights["encoder.pos"] = weights["encoder.pos"][: len(engine.encoder.pos)]
    engine.load_state_dict(weights)
    trained = load_model(bundled, torch.device("cpu"))
    assert isinstance(trained, WhisperCtc)
    speech = np.tile(tones("the same chunk"), 4)[: spec.window_samples] * 32768
    pcm = torch.from_numpy(np.stack([speech, speech[::-1]]).astype(np.int16))
    span = torch.tensor([[0, spec.window_samples], [20_000, spec.window_samples - 4000]])
    rows = torch.arange(2)
    with torch.inference_mode():
        expected = engine.step(pcm, span, rows, rows == 0)
        logits = chunk_logits(trained, masked_features(trained, pcm.float(), span), chunk)
    torch.testing.assert_close(logits.log_softmax(-1), expected, atol=2e-4, rtol=0)
