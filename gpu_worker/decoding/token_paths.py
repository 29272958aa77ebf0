"""The tokens that beams have emitted and when: a tree of back-pointers from beams to the start.

Only tokens of surviving beams are kept, so a segment of n frames holds at most n * beam_size of
them, 24 bytes each; at 500 frames and beam 600 that bound is 7.2 MB, and speech uses a tenth of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding.vocabulary import Vocabulary

ROOT: Final = -1
_FIRST_CAPACITY: Final = 1024
_TOKEN: Final = np.dtype(
    [
        ("parent", np.int32),
        ("token", np.int32),
        ("frame", np.int32),  # of its first emission
        ("opens_word", np.bool_),
        # Of the token before, known only once this one has followed it:
        ("end_before", np.int32),  # the frame after its last emission
        ("peak_before", np.float32),  # its highest log-probability while it was held
    ],
    align=True,
)


class Timing(NamedTuple):
    """When a word was emitted, and its tokens' log-probabilities: their sum and the lowest."""

    start_frame: int
    end_frame: int
    log_prob: float
    min_log_prob: float
    tokens: int


class TokenPaths:
    """Grows from frame to frame; `clear` forgets all tokens and keeps the memory."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._spellings = vocabulary.spellings
        self._tokens = np.zeros(_FIRST_CAPACITY, _TOKEN)
        self._size = 0

    def clear(self) -> None:
        """Forget all tokens."""
        self._size = 0

    def add(
        self,
        parent: NDArray[np.int32],
        token: NDArray[np.int32],
        frame: int,
        opens_word: NDArray[np.bool_],
        end_before: NDArray[np.int32],
        peak_before: NDArray[np.float32],
    ) -> NDArray[np.int32]:
        """Append one token to each path that ends in `parent`; gives the paths' new ends."""
        first, self._size = self._size, self._size + len(parent)
        if self._size > len(self._tokens):
            self._tokens = np.resize(self._tokens, max(self._size, 2 * len(self._tokens)))
        new = self._tokens[first : self._size]
        new["parent"] = parent
        new["token"] = token
        new["frame"] = frame
        new["opens_word"] = opens_word
        new["end_before"] = end_before
        new["peak_before"] = peak_before
        return np.arange(first, self._size, dtype=np.int32)

    def word(self, path: int, end: int, peak: float) -> tuple[str, Timing]:
        """The last word of a path, whose last token was held up to frame `end` (exclusive).

        `peak` is that token's highest log-probability.
        """
        pieces: list[str] = []
        start, total, lowest, last = end, 0.0, 0.0, 0
        while path != ROOT:
            parent, token, frame, opens_word, end_before, peak_before = self._tokens[path].item()
            if spelling := self._spellings[token]:
                last = last if pieces else end
                pieces.append(spelling)
                start = frame
                total += peak
                lowest = min(lowest, peak)
            if opens_word:
                break
            path, end, peak = parent, end_before, peak_before
        return "".join(reversed(pieces)), Timing(start, last, total, lowest, len(pieces))

    def word_before(self, path: int) -> tuple[str, Timing]:
        """The word that the last token of a path has ended."""
        parent, _, _, _, end_before, peak_before = self._tokens[path].item()
        return self.word(parent, end_before, peak_before)
