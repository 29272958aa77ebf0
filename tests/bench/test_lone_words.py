"""An answer of one word is heard: the bundled models, on words cut out of the bundled clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.both_passes import BothPasses
from bench.clip_log_probs import SpokenClip, make_stepper, spoken_clips
from bench.lone_words import bursts, hear, lone_words
from models import BUNDLED_MODEL
from models.spec import ModelSpec

pytestmark = pytest.mark.slow

MANIFEST = Path(__file__).parents[2] / "tools/loadtest/audio/transcripts.jsonl"
SPEC = ModelSpec.load(BUNDLED_MODEL)


@pytest.fixture(scope="module")
def passes() -> BothPasses:
    return BothPasses(SPEC)


@pytest.fixture(scope="module")
def clips() -> list[SpokenClip]:
    return list(spoken_clips(MANIFEST, SPEC, 20))


def test_nearly_every_word_becomes_one(passes: BothPasses, clips: list[SpokenClip]) -> None:
    """At most 3 of 40 are empty, and 18 are right, cut where this model hears them.

    Held to 7 nats a word, sure or not, the first model had 15 empty.
    """
    heard = hear(lone_words(clips, passes.aligner, SPEC), passes, make_stepper(SPEC), SPEC)
    assert len(heard) == 40
    assert sum(not one.final for one in heard) <= 3
    assert sum(one.final == one.word.said for one in heard) >= 15


def test_no_word_comes_of_noise(passes: BothPasses, clips: list[SpokenClip]) -> None:
    heard = hear(bursts(clips, 5), passes, make_stepper(SPEC), SPEC)
    silent = [one for one in heard if one.word.kind not in {"babble", "reversed speech"}]
    assert len(silent) == 20
    assert [one.final for one in silent] == [""] * 20
