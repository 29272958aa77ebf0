"""Both passes hear the bundled clips: with the default model, and with the one before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.both_passes import BothPasses
from bench.clip_log_probs import spoken_clips
from models import BUNDLED_MODEL, WHISPER_CTC_MODEL
from models.spec import ModelSpec
from tools.loadtest.wer import count_word_errors
from tools.train.dataset import sha256_of

MANIFEST = Path(__file__).parents[2] / "tools/loadtest/audio/transcripts.jsonl"


@pytest.mark.slow
@pytest.mark.parametrize(("directory", "most"), [(BUNDLED_MODEL, 18), (WHISPER_CTC_MODEL, 27)])
def test_the_first_pass_is_as_good_as_it_was_and_the_second_better(
    directory: Path, most: int
) -> None:
    """In a hundred words ``most`` errors (14 and 24 now), of finals 5 (under 3)."""
    spec = ModelSpec.load(directory)
    passes = BothPasses(spec)
    clips = list(spoken_clips(MANIFEST, spec, 20))
    found = [passes.hear(clip.samples, clip.log_probs) for clip in clips]
    said = [clip.text for clip in clips]
    first = count_word_errors(zip(said, (one.first_pass for one in found), strict=True))
    final = count_word_errors(zip(said, (one.final for one in found), strict=True))
    assert first.errors <= most * first.words / 100
    assert final.errors <= 5 * final.words / 100


def test_trained_weights_are_those_of_their_provenance() -> None:
    written = (BUNDLED_MODEL / "provenance.json").read_text(encoding="utf-8")
    provenance = json.loads(written)
    assert provenance["weights_sha256"] == sha256_of(BUNDLED_MODEL / "model.safetensors")
    assert {"data", "recipe", "runs", "initial_weights", "results"} <= set(provenance)
