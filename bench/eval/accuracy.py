"""Section 1: error rates of the engine, and section 3: the quality of its messages.

Both come from the same streams. The first pass alone is a second server with `--second-pass off`,
since the last partial before a final lacks what was said after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.eval.alignment import Aligner
from bench.eval.audio import BANDS_HZ, WIDE_HZ, read_samples
from bench.eval.calibration import calibrate
from bench.eval.manifest import Clip
from bench.eval.matching import right_words
from bench.eval.messages import Hypothesis, text_of, words_of
from bench.eval.scoring import score
from bench.eval.stability import Ledger
from bench.eval.streaming import hear_clips
from bench.eval.word_times import TimeErrors
from tools.loadtest.wer import plain_words

Messages = list[list[Hypothesis]]


def hear_bands(url: str, clips: Sequence[Clip]) -> dict[int, Messages]:
    """The messages of every clip by band."""
    return {band_hz: hear_clips(url, clips, band_hz) for band_hz in BANDS_HZ}


def accuracy(clips: Sequence[Clip], heard: dict[int, Messages]) -> dict[str, Any]:
    """The scores of the finals by band, as JSON holds them."""
    return {
        str(band_hz): score(clips, [text_of(clip) for clip in messages]).as_json()
        for band_hz, messages in heard.items()
    }


def stream_quality(
    clips: Sequence[Clip], messages: Sequence[list[Hypothesis]], aligner: Aligner
) -> dict[str, Any]:
    """Confidences, word times and stable words of the 16 kHz streams, as JSON holds them."""
    judged: list[tuple[float, bool]] = []
    times, ledger = TimeErrors(), Ledger()
    aligned = 0
    for clip, heard in zip(clips, messages, strict=True):
        words = words_of(heard)
        pairs = right_words(plain_words(clip.text), [word.text for word in words])
        right = {place for _, place in pairs}
        judged += [(word.confidence, place in right) for place, word in enumerate(words)]
        ledger.enter(heard)
        spoken = aligner.align(read_samples(clip.audio, WIDE_HZ), clip.text)
        if spoken:
            aligned += 1
            times.enter(spoken, words)
    calibration = calibrate(judged)
    stable = ledger.as_json()
    del stable["delay_ms"]  # sent faster than it is heard, so "sent by then" says nothing here
    return {
        "confidence": calibration.as_json() if calibration else None,
        "word_times": times.as_json() | {"clips_aligned": aligned, "clips": len(clips)},
        "stable_words": stable,
    }
