"""A back-off n-gram model as NumPy arrays: every n-gram can be listed, scored and changed at once.

KenLM answers queries but does not give its n-grams back, and mixing and pruning need all of them.
Here the n-grams of one length are a level: sorted by a 64-bit key, which is the row of their first
n-1 words in the level below, times the number of words, plus their last word. So a level of N
n-grams takes 24 N bytes, and looking up M of them is n binary searches over whole columns.

Scores are base-10 logarithms, as in ARPA files. A word that cannot be predicted has -inf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

UNKNOWN: Final = "<unk>"
BEGIN: Final = "<s>"
END: Final = "</s>"

Rows = NDArray[np.int64]
Scores = NDArray[np.float64]
Words = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Level:
    """The n-grams of one length: (N,) each; `backoff` is 0 where nothing follows."""

    keys: Rows
    log10: Scores
    backoff: Scores

    def __len__(self) -> int:
        return len(self.keys)


class NgramModel:
    """A model; `levels[n - 1]` holds the n-grams, and row w of `levels[0]` is the word w."""

    def __init__(self, words: Sequence[str], levels: Sequence[Level]) -> None:
        assert len(levels[0]) == len(words)
        self.words = list(words)
        self.levels = list(levels)
        self.ids = {word: index for index, word in enumerate(self.words)}

    @property
    def order(self) -> int:
        """The n of the longest n-grams."""
        return len(self.levels)

    @property
    def counts(self) -> list[int]:
        """How many n-grams there are, from 1-grams on."""
        return [len(level) for level in self.levels]

    def prefixes(self, n: int) -> Rows:
        """The rows of the n-grams' first n-1 words in the level below; (N,)."""
        return self.levels[n - 1].keys // len(self.words)

    def last_words(self, n: int) -> Rows:
        """The n-grams' last words; (N,)."""
        return self.levels[n - 1].keys % len(self.words)

    def grams(self, n: int) -> Words:
        """All n-grams of one length, a row each; (N, n)."""
        columns: list[Rows] = []
        rows: Rows = np.arange(len(self.levels[n - 1]))
        for length in range(n, 0, -1):
            keys = self.levels[length - 1].keys[rows]
            columns.append(keys % len(self.words))
            rows = keys // len(self.words)
        return np.stack(columns[::-1], axis=1).astype(np.int32)

    def rows_of(self, grams: Words) -> Rows:
        """The rows of n-grams (M, n) in their level, -1 for those that the model lacks."""
        rows = grams[:, 0].astype(np.int64)
        for n in range(2, grams.shape[1] + 1):
            keys = self.levels[n - 1].keys
            wanted = np.where(rows < 0, -1, rows * len(self.words) + grams[:, n - 1])
            at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
            found = keys[at] == wanted if len(keys) else np.zeros(len(wanted), bool)
            rows = np.where(found, at, -1)
        return rows

    def log10_of(self, grams: Words) -> Scores:
        """The scores of the last words of (M, n) after the others, backing off where needed."""
        if grams.shape[1] > self.order:
            grams = grams[:, grams.shape[1] - self.order :]
        n = grams.shape[1]
        if n == 1:
            words: Scores = self.levels[0].log10[grams[:, 0]]
            return words
        rows = self.rows_of(grams)
        missing = np.flatnonzero(rows < 0)
        scores = self.levels[n - 1].log10[rows] if len(self.levels[n - 1]) else np.zeros(len(rows))
        if len(missing):
            shorter = grams[missing]
            scores[missing] = self.backoff_of(shorter[:, :-1]) + self.log10_of(shorter[:, 1:])
        return scores

    def backoff_of(self, contexts: Words) -> Scores:
        """The back-off weights of (M, n) words; 0 for those that the model lacks."""
        rows = self.rows_of(contexts)
        backoff = self.levels[contexts.shape[1] - 1].backoff
        if not len(backoff):
            return np.zeros(len(rows))
        return np.where(rows < 0, 0.0, backoff[rows])


def model_of(
    words: Sequence[str], entries: Sequence[tuple[Words, Scores, Scores]]
) -> tuple[NgramModel, Rows | None]:
    """A model of n-grams in any order: for each n, grams (N, n), log10 and back-off (N,).

    Instead of a model whose n-grams do not begin with shorter ones, the second result tells the
    offending n-gram: its length and its place in `entries`.
    """
    first = entries[0]
    model = NgramModel(words, [Level(np.arange(len(words)), first[1], first[2])])
    for n, (grams, log10, backoff) in enumerate(entries[1:], start=2):
        sorted_rows = np.lexsort(grams.T[::-1])  # neighbours are then looked up in the same place
        prefix = model.rows_of(grams[sorted_rows, :-1])
        if len(orphans := np.flatnonzero(prefix < 0)):
            return model, np.array([n, sorted_rows[orphans].min()])
        keys = prefix * len(words) + grams[sorted_rows, -1]
        model.levels.append(Level(keys, log10[sorted_rows], backoff[sorted_rows]))
    return model, None
