"""Beam search over an attention decoder's tokens, for several utterances at a time.

A text's score is the sum of its tokens' log-probabilities, which can only fall: an utterance is
over when as many texts have ended as the beam is wide, and no open one is likelier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import torch

Tokens = tuple[int, ...]
BLOCK: Final = 64
_EMPTY: Final = -math.inf
"""The score of a row that holds no text."""


class Candidate(NamedTuple):
    """An open text and a token that may come next, with the score of both together."""

    score: float
    parent: int
    token: int


class State(Protocol):
    """What a decoder remembers of its rows; each utterance has ``width`` of them in a row."""

    def follow(self, parents: torch.Tensor) -> None:
        """Row i goes on from what was row ``parents[i]``."""


S = TypeVar("S", bound=State)


class TokenDecoder(Protocol[S]):
    """What the search needs of a network."""

    def begin(self, utterances: Sequence[torch.Tensor], width: int) -> S:
        """A state for utterances of (frames, width) each."""
        ...

    def __call__(self, tokens: torch.Tensor, state: S) -> torch.Tensor:
        """The newest token of each row, (rows,), to log-probabilities of the next, (rows, all)."""
        ...


class _Beam:
    """One utterance: open texts, likeliest first, and those that have ended."""

    def __init__(self, width: int, max_tokens: int, start: int) -> None:
        self._width = width
        self._max_tokens = max_tokens
        self._nobody = Candidate(_EMPTY, 0, start)
        self._open: list[tuple[Tokens, float]] = [((), 0.0)]
        self._ended: list[tuple[Tokens, float]] = []
        self.rows = [Candidate(0.0, 0, start)] + [self._nobody] * (width - 1)
        """What the decoder's rows are to go on with: newest tokens, scores and parents."""

    @property
    def is_over(self) -> bool:
        if not self._open or len(self._open[0][0]) >= self._max_tokens:
            return True
        if len(self._ended) < self._width:
            return False
        return self.best()[-1][1] >= self._open[0][1]

    def best(self) -> list[tuple[Tokens, float]]:
        """Ended texts, likeliest first; where none has ended, the open ones as they are."""
        return sorted(self._ended or self._open, key=lambda text: -text[1])[: self._width]

    def grow(self, candidates: Sequence[Candidate], end: int) -> None:
        """Goes on with twice as many candidates as the beam is wide, likeliest first.

        Only those within its width may end: a long text must not lose to a stump of itself.
        """
        grown: list[tuple[Tokens, float]] = []
        rows: list[Candidate] = []
        for rank, candidate in enumerate(candidates):
            score, parent, token = candidate
            if score == _EMPTY or len(rows) == self._width:
                break
            tokens, _ = self._open[parent]
            if token != end:
                grown.append(((*tokens, token), score))
                rows.append(candidate)
            elif rank < self._width:
                self._ended.append((tokens, score))
        self._open = grown
        self.rows = rows + [self._nobody] * (self._width - len(rows))


def search(
    decoder: TokenDecoder[S],
    utterances: Sequence[torch.Tensor],
    *,
    width: int,
    max_tokens: Sequence[int],
    start: int,
    end: int,
    while_waiting: Callable[[], None] = lambda: None,
) -> list[list[tuple[Tokens, float]]]:
    """Up to ``width`` texts of each utterance with natural log-probabilities, likeliest first.

    Utterances are (frames, width of the network) each, texts at most ``max_tokens`` long.
    """
    beams = [_Beam(width, most, start) for most in max_tokens]
    device = utterances[0].device
    state = decoder.begin(utterances, width)
    while not all(beam.is_over for beam in beams):
        while_waiting()
        rows = [row for beam in beams for row in beam.rows]
        tokens = torch.tensor([row.token for row in rows], device=device)
        scores = torch.tensor([row.score for row in rows], device=device)
        log_probs = decoder(tokens, state)
        vocabulary = log_probs.shape[-1]
        totals = (log_probs + scores[:, None]).view(len(beams), -1)
        best, places = largest(totals, 2 * width)
        for beam, its_best, its_places in zip(beams, best.tolist(), places.tolist(), strict=True):
            if not beam.is_over:
                found = zip(its_best, its_places, strict=True)
                beam.grow([Candidate(s, *divmod(place, vocabulary)) for s, place in found], end)
        state.follow(_parents(beams, device))
    return [beam.best() for beam in beams]


def largest(values: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The ``count`` largest of each row, falling, and their places: (rows, count) each.

    In two steps, because `torch.topk` on a CPU takes its time over many: first the blocks that the
    largest are in, which are no more than ``count``.
    """
    rows, length = values.shape
    if length % BLOCK or length < BLOCK * count:
        best, places = values.topk(count)
        return best, places
    blocks = values.view(rows, -1, BLOCK)
    chosen = blocks.amax(-1).topk(count).indices
    candidates = blocks.gather(1, chosen[:, :, None].expand(-1, -1, BLOCK)).flatten(1)
    best, found = candidates.topk(count)
    return best, chosen.gather(1, found // BLOCK) * BLOCK + found % BLOCK


def _parents(beams: Sequence[_Beam], device: torch.device) -> torch.Tensor:
    """The rows that all rows go on from, (rows,)."""
    numbers: list[int] = []
    for beam in beams:
        first = len(numbers)
        numbers += [first + row.parent for row in beam.rows]
    return torch.tensor(numbers, device=device)
