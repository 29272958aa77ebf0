"""The states that a CTC alignment walks through: summed over all walks, or the best walk.

Graves et al. (2006, "Connectionist temporal classification", section 4.1): a text's tokens with a
blank before, between and after them; from frame to frame a walk stays in its state, moves to the
next, or skips a blank between two different tokens. All states of all texts are one vector, and the
sums over all walks are compiled (native/ctc_forward.h). Memory is 8 bytes per state, and for the
best walk one byte per state and frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding import _native

_NEVER: Final = -1e30
"""The log-probability of what cannot happen: finite, so that differences of it are numbers."""
_POSSIBLE: Final = -1e29


class TokenSpan(NamedTuple):
    """The frames in which a walk emits one token, `end_frame` exclusive."""

    start_frame: int
    end_frame: int


def log_likelihoods(
    rows: NDArray[Any], texts: Sequence[tuple[int, ...]], blank: int
) -> NDArray[np.float64]:
    """The log-probability of each text's tokens over all alignments, (texts,); the forward pass.

    `rows` are (frames, vocabulary) natural log-probabilities. -inf where there are too few frames.
    """
    states = _States.of(texts, blank, never=rows.shape[1])
    return _ended_in(_summed(rows, states), states.ends - 1)


def prefix_log_likelihoods(
    rows: NDArray[Any], text: tuple[int, ...], lengths: Sequence[int], blank: int
) -> NDArray[np.float64]:
    """The log-probabilities of the text's first so many tokens, all else as `log_likelihoods`.

    One forward pass gives them all: the sum over the walks to a state is that of the text so far.
    """
    states = _States.of([text], blank, never=rows.shape[1])
    blanks = int(states.begins[0]) + 2 * np.asarray(lengths, np.int64)
    return _ended_in(_summed(rows, states), blanks)


def _summed(rows: NDArray[Any], states: _States) -> NDArray[np.float64]:
    """The sum over the walks to each state after the last frame, behind two unreachable ones."""
    scores = states.first_scores()
    _native.ctc_forward(_with_never(rows), states.tokens, states.skip, scores)
    return scores


def _ended_in(scores: NDArray[np.float64], blanks: NDArray[np.int64]) -> NDArray[np.float64]:
    """What ends in each of the blanks or the token before it."""
    found = np.logaddexp(scores[2 + blanks], scores[2 + blanks - 1])
    return np.where(found > _POSSIBLE, found, -np.inf)


def best_walk(
    rows: NDArray[Any], tokens: tuple[int, ...], blank: int
) -> tuple[TokenSpan, ...] | None:
    """Where the most likely alignment emits each token (Viterbi); None with too few frames."""
    states = _States.of([tokens], blank, never=rows.shape[1])
    scores = states.first_scores()
    back = np.empty((len(rows), len(states.tokens)), np.int8)
    for row, came in zip(_with_never(rows), back, strict=True):
        stay, move, skip = scores[2:], scores[1:-1], scores[:-2] + states.skip
        best = np.maximum(stay, move)
        came[:] = move > stay
        came[skip > best] = 2
        scores[2:] = np.maximum(best, skip) + row[states.tokens]
    end = int(states.ends[0])
    state = end - 1 if scores[2 + end - 1] >= scores[2 + end - 2] else end - 2
    if scores[2 + state] < _POSSIBLE:
        return None
    starts, ends = [0] * len(tokens), [0] * len(tokens)
    for frame in range(len(rows) - 1, -1, -1):
        position, is_token = divmod(state - int(states.begins[0]), 2)
        if is_token:
            starts[position] = frame
            ends[position] = max(ends[position], frame + 1)
        state -= int(back[frame, state])
    return tuple(map(TokenSpan, starts, ends))


def _with_never(rows: NDArray[Any]) -> NDArray[np.float64]:
    """The rows with one more column, the token of states that are never reached."""
    wider = np.full((rows.shape[0], rows.shape[1] + 1), _NEVER)
    np.maximum(rows, _NEVER, out=wider[:, :-1])
    return wider


@dataclass(frozen=True, slots=True)
class _States:
    """The states of all texts, one after the other.

    Two that are never reached stand before each text's own, so that nothing moves or skips from
    one text into the next.
    """

    tokens: NDArray[np.int64]  # of each state
    skip: NDArray[np.float64]  # of each state: 0 where a skip of a blank leads to it, else _NEVER
    begins: NDArray[np.int64]  # of each text
    ends: NDArray[np.int64]  # of each text, exclusive

    @classmethod
    def of(cls, texts: Sequence[tuple[int, ...]], blank: int, never: int) -> _States:
        tokens: list[int] = []
        begins: list[int] = []
        ends: list[int] = []
        for text in texts:
            begins.append(len(tokens) + 2)
            tokens += [never, never, blank]
            for token in text:
                tokens += [token, blank]
            ends.append(len(tokens))
        column = np.array(tokens, np.int64)
        two_before = np.concatenate([np.full(2, never), column[:-2]])
        skips = (column != blank) & (column != two_before)
        return cls(
            column,
            np.where(skips, 0.0, _NEVER),
            np.array(begins, np.int64),
            np.array(ends, np.int64),
        )

    def first_scores(self) -> NDArray[np.float64]:
        """Before the first frame: every state's, behind two more that are never reached.

        A text begins in the state before its first blank: from there a first frame moves to the
        blank or skips it to the first token, and no later frame does.
        """
        scores = np.full(2 + len(self.tokens), _NEVER)
        scores[2 + self.begins - 1] = 0.0
        return scores
