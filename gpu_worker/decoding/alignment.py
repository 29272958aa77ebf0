"""How well given texts fit CTC log-probabilities, and when their words were spoken.

For texts that a beam search did not propose as well as for its own: nothing here depends on beams.
`ctc_states` does the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding.ctc_states import best_walk, log_likelihoods, prefix_log_likelihoods
from gpu_worker.decoding.log_probs import renormalised
from gpu_worker.decoding.spelling import Speller, UnspellableError
from gpu_worker.decoding.vocabulary import Vocabulary


class AlignmentError(ValueError):
    """A text that no alignment can give; the message is one line."""


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """One word of the best alignment.

    From the first frame of its first token to the frame after its last token's last one. A token's
    log-probability is the highest of its frames: a CTC model says a token in one or two frames.
    """

    text: str
    start_frame: int
    end_frame: int
    mean_log_prob: float
    min_log_prob: float


class Aligner:
    """Scores and aligns texts over one vocabulary. Texts are words with white space between them.

    Log-probabilities are (frames, vocabulary) natural logarithms, normalised anew as the searches
    do it, so that the scores of both can be compared.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._speller = Speller(vocabulary)
        self._blank = vocabulary.blank
        self._width = len(vocabulary.tokens)

    def log_likelihoods(
        self, log_probs: NDArray[np.float32], texts: Sequence[str]
    ) -> NDArray[np.float64]:
        """The log-probability of each text, over all its alignments: (texts,).

        -inf for a text that needs more frames than there are, or that has no spelling.
        Raises ValueError for log-probabilities of another shape or with NaN.
        """
        rows = renormalised(log_probs, self._width)
        likelihoods = np.full(len(texts), -np.inf)
        spelled: dict[int, tuple[int, ...]] = {}
        for index, text in enumerate(texts):
            try:
                spelled[index] = _joined(self._spelled(text))
            except UnspellableError:
                continue
        if spelled:
            found = log_likelihoods(rows, list(spelled.values()), self._blank)
            likelihoods[list(spelled)] = found
        return likelihoods

    def prefix_log_likelihoods(
        self, log_probs: NDArray[np.float32], text: str
    ) -> NDArray[np.float64]:
        """The log-probability of the text's first 0, 1, ... all words: (words + 1,).

        Raises AlignmentError for a text that has no spelling, ValueError for log-probabilities of
        another shape or with NaN.
        """
        rows = renormalised(log_probs, self._width)
        try:
            parts = self._spelled(text)
        except UnspellableError as error:
            raise AlignmentError(str(error)) from None
        ends = np.cumsum([0, *map(len, parts)])
        lengths = [0, *ends[1::2].tolist()]  # after each word, not after what stands between two
        return prefix_log_likelihoods(rows, _joined(parts), lengths, self._blank)

    def align(self, log_probs: NDArray[np.float32], text: str) -> tuple[AlignedWord, ...]:
        """When each word was spoken, by the most likely alignment.

        Raises AlignmentError for a text that needs more frames than there are or has no spelling,
        ValueError for log-probabilities of another shape or with NaN.
        """
        rows = renormalised(log_probs, self._width)
        try:
            words = self._spelled(text)
        except UnspellableError as error:
            raise AlignmentError(str(error)) from None
        spans = best_walk(rows, _joined(words), self._blank)
        if spans is None:
            raise AlignmentError(f"{len(rows)} frames are too few for the text {text!r}")
        aligned: list[AlignedWord] = []
        position = 0
        for word, tokens in zip(text.split(), words[::2], strict=True):
            own = spans[position : position + len(tokens)]
            peaks = [
                float(rows[span.start_frame : span.end_frame, token].max())
                for token, span in zip(tokens, own, strict=True)
            ]
            mean = sum(peaks) / len(peaks)
            aligned.append(
                AlignedWord(word, own[0].start_frame, own[-1].end_frame, mean, min(peaks))
            )
            position += len(tokens) + len(self._speller.between_words)
        return tuple(aligned)

    def _spelled(self, text: str) -> list[tuple[int, ...]]:
        """The tokens of each word, and between them of what stands between two words.

        Raises UnspellableError.
        """
        parts: list[tuple[int, ...]] = []
        for word in text.split():
            if parts:
                parts.append(self._speller.between_words)
            parts.append(self._speller.word(word))
        return parts


def _joined(parts: list[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(token for part in parts for token in part)
