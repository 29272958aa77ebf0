"""From a beam's words and their timings to the hypothesis that is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpu_worker.decoding.hypothesis import FrameHypothesis, FrameWord
from gpu_worker.decoding.token_paths import Timing


def hypothesis(words: Sequence[tuple[str, Timing]], stable_words: int) -> FrameHypothesis:
    """The words in order, the first `stable_words` of them stable.

    Neighbours' times may come from different alignments; where they overlap, the later word
    gives way, so that a stable word is never moved by one that is not.
    """
    shown: list[FrameWord] = []
    before = 0
    for index, (text, timing) in enumerate(words):
        start = max(timing.start_frame, before)
        before = max(timing.end_frame, start)
        confidence = _confidence(timing.log_prob, timing.tokens)
        shown.append(FrameWord(text, confidence, start, before, index < stable_words))
    log_prob = sum(timing.log_prob for _, timing in words)
    return FrameHypothesis(
        tuple(shown), _confidence(log_prob, sum(timing.tokens for _, timing in words))
    )


def _confidence(log_prob: float, tokens: int) -> float:
    """The geometric mean of the tokens' probabilities; 0.0 for no tokens."""
    return math.exp(log_prob / tokens) if tokens else 0.0
