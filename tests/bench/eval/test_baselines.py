"""The two others: what is cached, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.eval.audio import Samples
from bench.eval.baselines import Baseline, Transcribe, whisper
from bench.eval.cache import Cache
from bench.eval.errors import EvalError
from bench.eval.manifest import BUNDLED, read_manifest

CLIPS = read_manifest(BUNDLED)[:2]


def test_what_was_heard_is_put_into_spoken_form_and_kept_by_band(tmp_path: Path) -> None:
    heard: list[int] = []

    def load() -> Transcribe:
        def transcribe(samples: Samples) -> str:
            heard.append(len(samples))
            return "Mr. Brown has 12."

        return transcribe

    for _ in range(2):
        baseline = Baseline("Other", "other 1", load)
        assert baseline.hear(CLIPS, 16_000, Cache(tmp_path)) == ["mister brown has twelve"] * 2
    assert len(heard) == 2
    Baseline("Other", "other 1", load).hear(CLIPS, 8_000, Cache(tmp_path))
    assert len(heard) == 4
    Baseline("Other", "other 2", load).hear(CLIPS, 8_000, Cache(tmp_path))
    assert len(heard) == 6


def test_a_folder_that_is_no_whisper_model(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match=r"has no model\.bin: it should be a Whisper model"):
        whisper(tmp_path)
