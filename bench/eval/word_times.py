"""How far the times of words that were heard right are from where a forced alignment puts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.eval.matching import right_words
from bench.eval.messages import Word
from bench.eval.quantiles import quantiles


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of a transcript and when it is said, in milliseconds."""

    text: str
    start_ms: float
    end_ms: float


@dataclass(slots=True)
class TimeErrors:
    """Absolute errors in milliseconds over any number of clips."""

    starts_ms: list[float] = field(default_factory=list)
    ends_ms: list[float] = field(default_factory=list)

    def enter(self, spoken: Sequence[SpokenWord], heard: Sequence[Word]) -> None:
        """Compares one clip: only words that were heard right count."""
        pairs = right_words([word.text for word in spoken], [word.text for word in heard])
        for place, other in pairs:
            self.starts_ms.append(abs(spoken[place].start_ms - heard[other].start_ms))
            self.ends_ms.append(abs(spoken[place].end_ms - heard[other].end_ms))

    def as_json(self) -> dict[str, object]:
        """Median and 90th percentile of both."""
        starts, ends = quantiles(self.starts_ms), quantiles(self.ends_ms)
        return {
            "start_ms": starts.as_json() if starts else None,
            "end_ms": ends.as_json() if ends else None,
        }
