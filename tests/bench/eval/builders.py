"""Messages for tests, in few words."""

from __future__ import annotations

from bench.eval.messages import Hypothesis, Word


def word(text: str, start_ms: float, end_ms: float, is_stable: bool = False) -> Word:
    return Word(text, 0.5, start_ms, end_ms, is_stable)


def partial(*words: Word, sent_ms: float = 0.0) -> Hypothesis:
    return Hypothesis(" ".join(w.text for w in words), False, words, sent_ms, sent_ms)


def final(*words: Word, sent_ms: float = 0.0) -> Hypothesis:
    return Hypothesis(" ".join(w.text for w in words), True, words, sent_ms, sent_ms)
