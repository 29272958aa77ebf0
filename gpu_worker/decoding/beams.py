"""The beams of one frame as NumPy columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding.sentences import EMPTY
from gpu_worker.decoding.spelling_hash import Hashes
from gpu_worker.decoding.token_paths import ROOT


class Identities(NamedTuple):
    """What makes a beam the beam it is; a column each, as in `Beams`."""

    sentence: NDArray[np.int64]
    part: Hashes
    length: NDArray[np.int32]
    last: NDArray[np.intp]


class Beams(NamedTuple):
    """One frame's beams, best first; a column each. The first four say which beam it is."""

    sentence: NDArray[np.int64]  # of completed words
    part: Hashes  # spelling of the unfinished word
    length: NDArray[np.int32]  # of the unfinished word, in characters
    last: NDArray[np.intp]  # token of the last frame, or the blank
    score: NDArray[np.float64]  # acoustic log-probability of all its alignments
    path: NDArray[np.int32]  # the best alignment, in `TokenPaths`
    end: NDArray[np.int32]  # frame after the last one with a token other than the blank
    peak: NDArray[np.float32]  # the highest log-probability of that token while it was held


def first_beams(blank: int) -> Beams:
    """The one beam before the first frame."""
    return Beams(
        sentence=np.array([EMPTY], np.int64),
        part=np.zeros(1, np.uint64),
        length=np.zeros(1, np.int32),
        last=np.array([blank], np.intp),
        score=np.zeros(1),
        path=np.array([ROOT], np.int32),
        end=np.zeros(1, np.int32),
        peak=np.zeros(1, np.float32),
    )
