"""Which heard word is which said word: the pairs of an alignment with the fewest errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def right_words(said: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of (index in ``said``, index in ``heard``) of the words that were heard right.

    The table of Wagner and Fischer (1974), walked back from its end; where several alignments have
    as few errors, the one that pairs the later words is taken.
    """
    costs = np.zeros((len(said) + 1, len(heard) + 1), dtype=np.int64)
    costs[:, 0] = np.arange(len(said) + 1)
    costs[0, :] = np.arange(len(heard) + 1)
    for row, word in enumerate(said, start=1):
        for column, other in enumerate(heard, start=1):
            costs[row, column] = min(
                costs[row - 1, column - 1] + (word != other),
                costs[row - 1, column] + 1,
                costs[row, column - 1] + 1,
            )
    pairs = []
    row, column = len(said), len(heard)
    while row and column:
        same = said[row - 1] == heard[column - 1]
        if costs[row, column] == costs[row - 1, column - 1] + (not same):
            row, column = row - 1, column - 1
            if same:
                pairs.append((row, column))
        elif costs[row, column] == costs[row - 1, column] + 1:
            row -= 1
        else:
            column -= 1
    return pairs[::-1]
