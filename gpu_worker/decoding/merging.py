"""Adding up the alignments of a frame's equal beams: group by key, sum the probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding.spelling_hash import Hashes


class Merged(NamedTuple):
    """One entry for each distinct key."""

    first: NDArray[np.intp]  # the first candidate with the key
    best: NDArray[np.intp]  # the candidate with the highest score
    score: NDArray[np.float64]  # log of the summed probabilities


def merge(keys: Hashes, scores: NDArray[np.float64]) -> Merged:
    """Merge candidates, (n,) keys and log-probabilities; n is at least 1."""
    order = np.argsort(keys, kind="stable")
    sorted_keys, sorted_scores = keys[order], scores[order]
    begins = np.concatenate(([True], sorted_keys[1:] != sorted_keys[:-1]))
    starts = np.flatnonzero(begins)
    first = order[starts]
    highest = np.maximum.reduceat(sorted_scores, starts)
    group = np.cumsum(begins) - 1
    is_highest = np.flatnonzero(sorted_scores == highest[group])
    best = np.empty_like(first)
    best[group[is_highest]] = order[is_highest]
    return Merged(first, best, np.logaddexp.reduceat(sorted_scores, starts))
