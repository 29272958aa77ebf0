"""What a beam search gives: words with frames and confidences, and the protocol every search keeps.

A search belongs to one segment at a time and is not shared between threads. Frames are counted
from the segment's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FrameWord:
    """One word. `start_frame` to `end_frame` (exclusive) never runs backwards from word to word.

    `confidence` is the chance that it is right, 0 to 1 (see `confidence`). A `stable` word never
    changes again within the segment, in no field: not in a later partial, not in the final.
    """

    text: str
    confidence: float
    start_frame: int
    end_frame: int
    stable: bool


@dataclass(frozen=True, slots=True)
class FrameHypothesis:
    """The words of a segment so far, and their confidence together: the mean, 0.0 for none."""

    words: tuple[FrameWord, ...]
    confidence: float

    @property
    def text(self) -> str:
        """The words, one space between them."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A whole text of a segment and what a search thinks of it, in natural logarithms."""

    text: str
    acoustic_log_prob: float
    """Of those alignments that the search followed."""
    language_score: float
    """Weighted as the search weighs it; 0.0 without a language model."""

    @property
    def total(self) -> float:
        """What the search ranks by."""
        return self.acoustic_log_prob + self.language_score


class Search(Protocol):
    """A decoder of CTC log-probabilities that keeps its state between chunks."""

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a segment."""

    def advance(self, log_probs: NDArray[np.float32]) -> None:
        """Take the next frames, (frames, vocabulary) natural log-probabilities; 0 frames is fine.

        Raises ValueError for another shape or for NaN.
        """

    def partial(self) -> FrameHypothesis:
        """The best hypothesis so far, with an unfinished last word as far as it goes."""
        ...

    def final(self) -> FrameHypothesis:
        """The best hypothesis if the segment ended here. The search can go on afterwards."""
        ...

    def n_best(self, count: int) -> tuple[ScoredText, ...]:
        """Up to `count` distinct texts if the segment ended here, best first: first `final().text`.

        Raises ValueError where `count` is less than 1.
        """
        ...
