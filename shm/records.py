"""What travels from a decoder to a client, before it becomes JSON: words and hypotheses.

Plain values without behaviour, shared by the decoder (which writes them into an outbox) and the
frontend (which reads them back), so that neither imports the other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One word. Times are milliseconds from the start of the stream, confidence is in 0..1.

    ``stable`` says that the word can no longer change (``intermed`` false on the wire).
    """

    text: str
    confidence: float
    start_ms: int
    end_ms: int
    stable: bool


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The words of one utterance so far, or all of them when ``is_final``."""

    words: tuple[Word, ...]
    confidence: float
    is_final: bool
