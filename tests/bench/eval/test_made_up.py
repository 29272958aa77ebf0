"""Audio without English words, and what the engine's answer is counted as."""

from __future__ import annotations

import pytest

from bench.eval import made_up
from bench.eval.audio import Samples
from bench.eval.manifest import BUNDLED, read_manifest
from bench.eval.messages import Hypothesis
from tests.bench.eval.builders import final, partial, word

CLIPS = read_manifest(BUNDLED)


def test_every_kind_is_as_long_as_asked_or_as_its_speech() -> None:
    found = {
        kind: (samples, said) for kind, samples, said in made_up.recordings(CLIPS, 20 * 16_000)
    }
    for kind in ("silence", "white noise", "music", "babble"):
        assert (len(found[kind][0]), found[kind][1]) == (20 * 16_000, 0)
    backwards, clipped = found["speech played backwards"], found["clipped speech"]
    assert 0 < len(backwards[0]) == len(clipped[0]) <= 20 * 16_000
    assert backwards[1] == 0 < clipped[1]


def test_words_of_finals_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hear(url: str, samples: Samples, rate_hz: int) -> list[Hypothesis]:
        words = (word("a", 0, 10), word("b", 10, 20))
        return [partial(*words), final(*words)] if samples.any() else []

    monkeypatch.setattr(made_up, "hear", hear)
    rows = {row["kind"]: row for row in made_up.made_up_words("ws://none", CLIPS, 30.0)}
    assert (rows["silence"]["words"], rows["silence"]["confidence"]) == (0, None)
    music = rows["music"]
    assert (music["words"], music["words_per_minute"], music["confidence"]) == (2, 4.0, 0.5)
