"""From a beam's words and their timings to the hypothesis that is shown.

A CTC model says a token in a frame or two, some way into its sound, so a word's first token comes
late; its last token ends about where the word does. So a word starts earlier than its first token,
and where little is left between two words there is no pause: words of running speech touch. Both
numbers are chosen on dev clips (`python -m bench.word_times`). Nothing looks at the words that
follow, so what comes later moves no word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from gpu_worker.decoding.confidence import Calibration, Evidence, overall
from gpu_worker.decoding.hypothesis import FrameHypothesis, FrameWord

START_LEAD_FRAMES: Final = 1
"""A word begins this long before its first token's first frame."""
LEAST_PAUSE_FRAMES: Final = 3
"""What is shorter between two words is no pause: the later word begins where the first ends."""


class Timing(NamedTuple):
    """When a word was emitted, and its tokens' log-probabilities: their sum and the lowest."""

    start_frame: int
    end_frame: int
    log_prob: float
    min_log_prob: float
    tokens: int


def hypothesis(
    words: Sequence[tuple[str, Timing]],
    language_log10s: Sequence[float | None],
    stable_words: int,
    calibration: Calibration,
) -> FrameHypothesis:
    """The words in order, the first `stable_words` of them stable.

    `language_log10s` are the language model's scores of the words, None without one.
    """
    spans = spoken_frames([(timing.start_frame, timing.end_frame) for _, timing in words])
    confidences = [
        calibration.confidence(_evidence(text, timing, log10))
        for (text, timing), log10 in zip(words, language_log10s, strict=True)
    ]
    shown = (
        FrameWord(text, confidence, *span, stable=index < stable_words)
        for index, ((text, _), confidence, span) in enumerate(
            zip(words, confidences, spans, strict=True)
        )
    )
    return FrameHypothesis(tuple(shown), overall(confidences))


def spoken_frames(emitted: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """When words were spoken, from the frames of their tokens: first frame, last one (exclusive).

    Neighbours' frames may come from different alignments; where they overlap, the later word gives
    way, so that a stable word is never moved by one that is not.
    """
    spoken: list[tuple[int, int]] = []
    for first, last in emitted:
        start = max(first - START_LEAD_FRAMES, 0)
        if spoken:
            before = spoken[-1][1]
            start = start if start - before >= LEAST_PAUSE_FRAMES else before
        spoken.append((start, max(last, start)))
    return spoken


def _evidence(word: str, timing: Timing, language_log10: float | None) -> Evidence:
    return Evidence(
        letters=len(word),
        frames=timing.end_frame - timing.start_frame,
        mean_log_prob=timing.log_prob / max(1, timing.tokens),
        min_log_prob=timing.min_log_prob,
        language_log10=language_log10,
    )
