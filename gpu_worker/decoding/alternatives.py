"""The texts behind the best one, those among them that the search dropped on its way.

Of beams that the language model cannot tell apart from here on, which end in the same few words, a
search keeps the best; so what its last beams hold differs in the last words only. Noting who was
dropped for whom, and how far behind, brings the others back: whatever follows follows both alike
(recombination in word lattices; Ney and Aubert 1994, "A word graph algorithm for large vocabulary
continuous speech recognition"). Bounded by a segment's dropped beams, about one per frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple, Protocol, TypeAlias

from gpu_worker.decoding.hypothesis import ScoredText

EMPTY: Final = 0  # the sentence without words
Dropped: TypeAlias = tuple[int, int, float]
"""The sentence that was kept, the one that gave way to it, and how far behind that was."""


class SentenceTree(Protocol):
    """Sequences of words by number: those of a `_native.PrefixBeams`."""

    def parent(self, sentence: int) -> int: ...
    def last_word(self, sentence: int) -> str: ...
    def words(self, sentence: int) -> list[str]: ...
    def score(self, sentence: int) -> float: ...


class Ended(NamedTuple):
    """A sentence that one or more beams end as."""

    sentence: int
    acoustic_log_prob: float
    language_score: float

    def total(self) -> float:
        return self.acoustic_log_prob + self.language_score


class _Candidate(NamedTuple):
    """A text, ordered by its cost and then by when it was found."""

    cost: float
    serial: int
    sentence: int  # how it begins; this part may still be replaced
    rest: tuple[str, ...]
    language_score: float


def best_texts(
    ends: Iterable[Ended], dropped: Iterable[Dropped], sentences: SentenceTree, count: int
) -> tuple[ScoredText, ...]:
    """Up to `count` distinct texts, best first: the ends, and what else could stand in them.

    What was brought back scores as far behind as it was when it was dropped.
    """
    losers: dict[int, list[tuple[int, float]]] = {}
    for winner, loser, behind in dropped:
        losers.setdefault(winner, []).append((loser, behind))
    heap = [
        _Candidate(-end.total(), serial, end.sentence, (), end.language_score)
        for serial, end in enumerate(ends)
    ]
    heapify(heap)
    found: dict[str, ScoredText] = {}
    serial = len(heap)
    while heap and len(found) < count:
        candidate = heappop(heap)
        text = " ".join((*sentences.words(candidate.sentence), *candidate.rest))
        if text in found:
            continue
        acoustic = -candidate.cost - candidate.language_score
        found[text] = ScoredText(text, acoustic, candidate.language_score)
        for other in _replaced(candidate, losers, sentences):
            heappush(heap, other._replace(serial=serial))
            serial += 1
    return tuple(found.values())


def _replaced(
    candidate: _Candidate, losers: dict[int, list[tuple[int, float]]], sentences: SentenceTree
) -> Iterator[_Candidate]:
    """The candidate with its beginning, up to any word, replaced by one that was dropped."""
    winner, rest = candidate.sentence, candidate.rest
    while True:
        for loser, behind in losers.get(winner, ()):
            gained = sentences.score(loser) - sentences.score(winner)
            yield candidate._replace(
                cost=candidate.cost + behind,
                sentence=loser,
                rest=rest,
                language_score=candidate.language_score + gained,
            )
        if winner == EMPTY:
            return
        rest = (sentences.last_word(winner), *rest)
        winner = sentences.parent(winner)
