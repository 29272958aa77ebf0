"""Whether a confidence of 0.8 means that 8 words in 10 are right.

Expected calibration error after Guo et al., "On calibration of modern neural networks" (2017): the
distance between mean confidence and share of right words in each of ten equal intervals, weighted
by the words that fall in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The words with a confidence in ``low`` to ``low + 1 / BINS``."""

    low: float
    words: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Over all words that were heard; ``bins`` leaves out the empty ones."""

    words: int
    error: float
    confidence: float
    right: float
    bins: list[Bin]

    def as_json(self) -> dict[str, object]:
        """As JSON holds it."""
        return asdict(self)


def calibrate(judged: Sequence[tuple[float, bool]]) -> Calibration | None:
    """Over pairs of (confidence, whether the word was right); None if there are none."""
    if not judged:
        return None
    fallen: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in judged:
        fallen[min(int(confidence * BINS), BINS - 1)].append((confidence, right))
    bins = [
        Bin(number / BINS, len(pairs), *_means(pairs))
        for number, pairs in enumerate(fallen)
        if pairs
    ]
    error = sum(b.words * abs(b.confidence - b.right) for b in bins) / len(judged)
    return Calibration(len(judged), error, *_means(judged), bins)


def _means(pairs: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    return sum(c for c, _ in pairs) / len(pairs), sum(r for _, r in pairs) / len(pairs)
