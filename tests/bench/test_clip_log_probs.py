"""Clips are heard as by a worker, also by a model that keeps state."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.clip_log_probs import log_probs_of, make_stepper
from models.spec import ModelSpec
from tests.conformance.spelling import spell
from tests.gpu_worker.acoustic.late_echo import LOUDNESS, install, model_directory
from tools.train.evaluate import greedy_text


def test_a_model_that_keeps_state_hears_one_chunk_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "package")
    install(tmp_path / "package")
    spec = ModelSpec.load(model_directory(tmp_path / "model"))
    samples = spell("every letter comes late but none is lost") * LOUDNESS
    heard = log_probs_of(samples, make_stepper(spec), spec)
    assert len(heard) > 1.05 * spec.chunk_frames
    assert greedy_text(spec, heard) == "every letter comes late but none is"
