"""Finding a frame's equal beams by their keys: adding up their alignments, or keeping the first."""

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
    begins = _changes(sorted_keys)
    starts = begins.nonzero()[0]
    first = order[starts]
    highest = np.maximum.reduceat(sorted_scores, starts)
    group = begins.cumsum() - 1
    is_highest = (sorted_scores == highest[group]).nonzero()[0]
    best = np.empty_like(first)
    best[group[is_highest]] = order[is_highest]
    return Merged(first, best, np.logaddexp.reduceat(sorted_scores, starts))


def first_of_each(keys: Hashes) -> NDArray[np.intp]:
    """Where each distinct key stands first, in ascending order."""
    order = np.argsort(keys, kind="stable")
    return np.sort(order[_changes(keys[order])])


def first_alike(keys: Hashes) -> NDArray[np.intp]:
    """For each key, where an equal one stands first: its own place, or one before it."""
    order = np.argsort(keys, kind="stable")
    begins = _changes(keys[order])
    first = np.empty_like(order)
    first[order] = order[begins][begins.cumsum() - 1]
    return first


def _changes(sorted_keys: Hashes) -> NDArray[np.bool_]:
    """Where a run of equal keys begins."""
    begins = np.empty(len(sorted_keys), np.bool_)
    begins[0] = True
    np.not_equal(sorted_keys[1:], sorted_keys[:-1], out=begins[1:])
    return begins
