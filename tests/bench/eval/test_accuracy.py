"""Figures of the engine's messages."""

from __future__ import annotations

from bench.eval.accuracy import accuracy, stream_quality
from bench.eval.alignment import Aligner
from bench.eval.audio import Samples
from bench.eval.cache import Cache
from bench.eval.manifest import BUNDLED, read_manifest
from bench.eval.messages import Word
from bench.eval.word_times import SpokenWord
from tests.bench.eval.builders import final, partial

CLIPS = read_manifest(BUNDLED)[:1]
SAID = CLIPS[0].text.split()


class EverySecond(Aligner):
    """Each word takes a second."""

    def align(self, samples: Samples, text: str) -> list[SpokenWord]:
        return [SpokenWord(w, 1000 * n, 1000 * (n + 1)) for n, w in enumerate(text.split())]


def heard(*texts: str) -> list[Word]:
    return [Word(t, 0.5, 1000 * n + 50, 1000 * n + 980, True) for n, t in enumerate(texts)]


def test_finals_are_scored_by_band() -> None:
    right, wrong = final(*heard(*SAID)), final(*heard("nonsense", *SAID[1:]))
    found = accuracy(CLIPS, {16_000: [[right]], 8_000: [[partial(), wrong]]})
    assert found["16000"]["overall"]["wer"] == 0
    assert found["8000"]["overall"]["wer"] == 1 / len(SAID)


def test_confidences_times_and_stable_words() -> None:
    words = heard("nonsense", *SAID[1:])
    quality = stream_quality(
        CLIPS, [[partial(*words[:2]), final(*words)]], EverySecond(Cache(BUNDLED.parent))
    )
    right = (len(SAID) - 1) / len(SAID)
    assert quality["confidence"]["error"] == abs(0.5 - right)
    assert quality["word_times"]["start_ms"]["median"] == 50
    assert quality["word_times"]["end_ms"]["median"] == 20
    assert quality["word_times"]["start_ms"]["count"] == len(SAID) - 1
    assert quality["stable_words"]["early"] == 2
    assert "delay_ms" not in quality["stable_words"]
