"""Evaluation: the worker's windows, the engine's search, known texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gpu_worker.acoustic.load import load_model
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tests.conformance.spelling import spell
from tests.gpu_worker.acoustic.late_echo import LOUDNESS, LateEcho, model_directory
from tests.tools.train.conftest import tones
from tools.train.evaluate import Decoding, evaluate, greedy_text, heard_at, segment_log_probs
from tools.train.readers import manifest

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec.load(BUNDLED_MODEL)


class Spelling:
    """A model that says the same letters in every chunk."""

    def __init__(self, spec: ModelSpec, letters: str) -> None:
        self._spec, self._letters = spec, letters
        self.spans: list[list[int]] = []

    def step(
        self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        assert pcm.shape[1] == self._spec.window_samples
        self.spans += span.tolist()
        log_probs = torch.full((len(pcm), self._spec.chunk_frames, 29), -20.0)
        log_probs[:, :, 0] = -1e-3
        for place, letter in enumerate(self._letters):
            log_probs[:, 2 * place, 0] = -20.0
            log_probs[:, 2 * place, self._spec.vocabulary.index(letter)] = -1e-3
        return log_probs


def test_spans_are_those_of_a_lone_segment(spec: ModelSpec) -> None:
    model = Spelling(spec, "a")
    samples = np.ones(25_000, np.int16)
    log_probs = segment_log_probs(spec, model, CPU, samples)
    assert log_probs.shape == (spec.frames_of(25_000), 29)
    left, chunk, window = spec.left_samples, spec.chunk_samples, spec.window_samples
    expected = [[left - n * chunk, min(left - n * chunk + 25_000, window)] for n in range(3)]
    assert model.spans == expected


def test_texts_and_errors(spec: ModelSpec, tone_manifest: Path) -> None:
    recordings = list(manifest(tone_manifest))[:2]
    decoding = Decoding(10, None, 0.5, 1.5)
    wide, narrow = evaluate(spec, Spelling(spec, "no "), CPU, recordings, decoding, [16_000, 8000])
    assert (wide.rate_hz, narrow.rate_hz) == (16_000, 8000)
    said, greedy, beam = wide.texts[0]
    assert said == recordings[0].transcript
    assert greedy == beam
    assert set(greedy.split()) == {"no"}
    assert wide.greedy.rate is not None
    assert wide.greedy.rate >= 1.0  # not one word of the tones is "no"
    assert wide.greedy.words == 7


def test_greedy_takes_repeats_and_blanks_out(spec: ModelSpec) -> None:
    log_probs = np.full((7, 29), -9.0, np.float32)
    for frame, token in enumerate([3, 3, 0, 3, 1, 4, 0]):
        log_probs[frame, token] = 0.0
    assert greedy_text(spec, log_probs) == "aa b"


def test_a_line_of_8_khz_has_nothing_above_4_khz() -> None:
    samples = (np.random.default_rng(0).standard_normal(16_000) * 3000).astype(np.int16)
    heard = heard_at(samples, 8000, 16_000)
    power = np.abs(np.fft.rfft(heard)) ** 2
    assert power[4200:].sum() < 1e-3 * power.sum()
    np.testing.assert_array_equal(heard_at(samples, 16_000, 16_000), samples)


def test_a_model_that_keeps_state_hears_one_chunk_after_another(tmp_path: Path) -> None:
    late = ModelSpec.load(model_directory(tmp_path / "late"))
    samples = spell("every letter comes late but none is lost") * LOUDNESS
    heard = segment_log_probs(late, LateEcho(late, 1), CPU, samples)
    assert len(heard) > 1.05 * late.chunk_frames
    assert greedy_text(late, heard) == "every letter comes late but none is"


def test_the_bundled_model_is_heard_through_its_windows(spec: ModelSpec) -> None:
    model = load_model(spec, CPU)
    samples = (tones("through windows") * 32767).astype(np.int16)
    whole = segment_log_probs(spec, model, CPU, samples)
    row = torch.zeros(1, dtype=torch.int64)
    pcm = np.zeros((1, spec.window_samples), np.int16)
    held = min(len(samples), spec.window_samples - spec.left_samples)
    pcm[0, spec.left_samples : spec.left_samples + held] = samples[:held]
    span = torch.tensor([[spec.left_samples, spec.left_samples + held]])
    if held < len(samples):
        span[0, 1] = spec.window_samples
    with torch.inference_mode():
        first = model.step(torch.from_numpy(pcm), span, row, row == 0)[0].numpy()
    np.testing.assert_allclose(whole[: spec.chunk_frames], first, atol=1e-4)
