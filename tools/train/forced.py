"""The likeliest CTC path of a known transcript: which token each frame says.

Viterbi's algorithm over the lattice of Graves et al. (2006): the transcript's tokens with blanks
before, between and after; a blank between two equal tokens cannot be skipped.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BLANK: Final = 0


def forced_path(
    log_probs: NDArray[np.float32], tokens: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], float]:
    """The path and its log-probability.

    Args:
        log_probs: (frames, vocabulary), natural logarithms.
        tokens: (letters,), none of them the blank.

    Returns:
        (frames,) token numbers that collapse to ``tokens``, and their sum of log-probabilities;
        all blanks and minus infinity where there are too few frames.
    """
    states = np.zeros(2 * len(tokens) + 1, np.int64)
    states[1::2] = tokens
    skips = np.zeros(len(states), np.bool_)
    skips[3::2] = tokens[1:] != tokens[:-1]
    steps = np.zeros((len(log_probs), len(states)), np.uint8)
    score = np.full(len(states), -np.inf)
    score[:2] = log_probs[0, states[:2]]
    candidates = np.full((3, len(states)), -np.inf)
    columns = np.arange(len(states))
    for frame, row in enumerate(log_probs[1:], start=1):
        candidates[0] = score
        candidates[1, 1:] = score[:-1]
        candidates[2, 2:] = np.where(skips[2:], score[:-2], -np.inf)
        steps[frame] = candidates.argmax(0)
        score = candidates[steps[frame], columns] + row[states]
    state = len(states) - 1 if score[-1] >= score[-2] else len(states) - 2
    path = np.zeros(len(log_probs), np.uint8)
    best = float(score[state])
    if best == -np.inf:
        return path, best
    for frame in range(len(log_probs) - 1, -1, -1):
        path[frame] = states[state]
        state -= int(steps[frame, state])
    return path, best
