"""Words that the operator's language model adds: where the second pass's text should hold one.

An attention model cannot know the names that an operator taught the language model; it writes what
sounds like them ("for julius"). Such a word is put in its place by one of two rules:

- The second pass wrote something that is spelled much like it, over one to three words, and CTC and
  language model together support the change by more than the spelling differs. Candidates are
  looked up by the pairs of letters that they share, and compared by edit distance (Levenshtein
  1966).
- The first pass, whose search knows the word, heard it there, and CTC and language model together
  support its words no less.

Pure; the constants were chosen on development speech with names that nothing else in the product
knows, alone and among thousands that nobody said (docs/LANGUAGE_MODELS.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_worker.second_pass.choice import CTC_WEIGHT, LANGUAGE_WEIGHT, Scores

MOST_WORDS: Final = 3
"""So many words may have been written instead of a taught one."""
LEAST_LIKENESS: Final = 0.7
"""1 less the edit distance as a share of the longer spelling."""
LEAST_SHARED_PAIRS: Final = 0.45
"""Dice coefficient of the letter pairs; below it spellings are hardly ever so alike."""
UNLIKENESS_COST: Final = 3.0
"""What the scores must gain for a spelling that has nothing in common; less in proportion."""
MOST_RESPELLED: Final = 3000
"""Among more taught words than this too many resemble something, and looking takes too long: only
the second rule holds then."""
MOST_CANDIDATES: Final = 24
"""All are scored in one pass over the utterance's log-probabilities; the likest are tried."""


class Respelling(NamedTuple):
    """Words ``start`` to ``end`` of a text, exclusive, might be ``word``."""

    likeness: float
    start: int
    end: int
    word: str


class TaughtWords:
    """The words and an index of their letter pairs. Immutable; shared by the slots."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._words = sorted(words)
        self._known = frozenset(self._words)
        members = defaultdict(list)
        for number, word in enumerate(self._words):
            for pair in _pairs(word):
                members[pair].append(number)
        self._members = {pair: np.array(numbers) for pair, numbers in members.items()}
        self._pair_counts = np.array([len(_pairs(word)) for word in self._words])

    def corrected(self, text: str, first_pass: str, scores: Scores) -> str:
        """The text with taught words in the places where they were said."""
        if not self._known:
            return text
        if len(self._words) <= MOST_RESPELLED:
            text = self._respelled(text, scores)
        return self._taken_over(text, first_pass, scores)

    def respellings(self, words: Sequence[str]) -> list[Respelling]:
        """Where a text without them is spelled like taught words, the likest first."""
        found = [
            Respelling(likeness, start, end, word)
            for start in range(len(words))
            for end in range(start + 1, min(start + MOST_WORDS, len(words)) + 1)
            if self._known.isdisjoint(words[start:end])
            for likeness, word in self._like("".join(words[start:end]))
        ]
        return sorted(found, reverse=True)[:MOST_CANDIDATES]

    def _taken_over(self, text: str, first_pass: str, scores: Scores) -> str:
        """The text, with the first pass's words in the places where those hold a taught word."""
        words, others = text.split(), first_pass.split()
        if self._known.isdisjoint(others):
            return text
        changes = SequenceMatcher(None, words, others, autojunk=False).get_opcodes()
        for _, start, end, other_start, other_end in reversed(changes):  # places before stay valid
            instead = others[other_start:other_end]
            if self._known.isdisjoint(instead) or instead == words[start:end]:
                continue
            changed = [*words[:start], *instead, *words[end:]]
            after, before = _supports([changed, words], scores)
            if after >= before:
                words = changed
        return " ".join(words)

    def _respelled(self, text: str, scores: Scores) -> str:
        """The text with all respellings that gain more than they cost, the best first."""
        words = text.split()
        candidates = self.respellings(words)
        if not candidates:
            return text
        changed = [[*words[: c.start], c.word, *words[c.end :]] for c in candidates]
        before, *after = _supports([words, *changed], scores)
        gains = [
            (support - before - UNLIKENESS_COST * (1 - candidate.likeness), candidate)
            for support, candidate in zip(after, candidates, strict=True)
        ]
        chosen: list[Respelling] = []
        for gain, candidate in sorted(gains, reverse=True):
            apart = all(candidate.end <= c.start or c.end <= candidate.start for c in chosen)
            if gain >= 0 and apart:
                chosen.append(candidate)
        for candidate in sorted(chosen, key=lambda c: c.start, reverse=True):
            words[candidate.start : candidate.end] = [candidate.word]
        return " ".join(words)

    def _like(self, spelling: str) -> Iterator[tuple[float, str]]:
        pairs = _pairs(spelling)
        shared = [self._members[pair] for pair in pairs if pair in self._members]
        if not shared:
            return
        counts: NDArray[np.intp] = np.bincount(np.concatenate(shared), minlength=len(self._words))
        dice = 2 * counts / (len(pairs) + self._pair_counts)
        for number in np.flatnonzero(dice >= LEAST_SHARED_PAIRS).tolist():
            word = self._words[number]
            likeness = _likeness(spelling, word)
            if likeness >= LEAST_LIKENESS:
                yield likeness, word


def _supports(texts: Sequence[Sequence[str]], scores: Scores) -> list[float]:
    """What CTC and language model together say for each text."""
    joined = [" ".join(words) for words in texts]
    language = np.array([scores.language(text) for text in joined])
    supports: list[float] = (
        CTC_WEIGHT * scores.wholes(joined) + LANGUAGE_WEIGHT * language
    ).tolist()
    return supports


def _pairs(word: str) -> set[str]:
    """Neighbouring letters, with the word's ends."""
    return {a + b for a, b in pairwise(f"^{word}$")}


def _likeness(a: str, b: str) -> float:
    longer = max(len(a), len(b))
    if min(len(a), len(b)) < LEAST_LIKENESS * longer:
        return 0.0
    return 1 - _edit_distance(a, b) / longer


def _edit_distance(a: str, b: str) -> int:
    above = list(range(len(b) + 1))
    for place, letter in enumerate(a, 1):
        row = [place]
        for other_place, other in enumerate(b, 1):
            changed = above[other_place - 1] + (letter != other)
            row.append(min(row[-1] + 1, above[other_place] + 1, changed))
        above = row
    return above[-1]
