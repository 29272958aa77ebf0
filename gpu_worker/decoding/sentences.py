"""The completed words behind the beams: a tree of word sequences, one entry for each distinct one.

Carries what the next word's score depends on (KenLM's state), and when each word was spoken. Lives
within a segment: an entry costs about 1 KB, and there are as many as words that any beam ever
tried to complete, a few hundred for a second of speech at beam 600.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappushpop
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding.language_model import KenlmState, LanguageModel
from gpu_worker.decoding.token_paths import ROOT

EMPTY: Final = 0  # the sentence without words; children always have higher numbers than parents
_FIRST_CAPACITY: Final = 256


class _Sentence(NamedTuple):
    parent: int
    length: int  # in words
    last_words: tuple[str, ...]  # all that the language model looks back on
    log10: float  # of the last word
    state: KenlmState  # after the last word


class Sentences:
    """Numbered sentences; number 0 is the empty one. A word is named by its spelling hash."""

    def __init__(self, language_model: LanguageModel | None) -> None:
        self._model = language_model
        self._memory = max(1, language_model.order - 1) if language_model else 1
        self._start = language_model.start() if language_model else None
        self._scores = np.zeros(_FIRST_CAPACITY)
        self._histories = np.zeros(_FIRST_CAPACITY, np.int64)
        self.clear()

    def clear(self) -> None:
        """Forget all sentences, KenLM's states among them."""
        self._entries = [_Sentence(EMPTY, 0, (), 0.0, self._start)]
        self._numbers: dict[tuple[int, int], int] = {}
        self._history_numbers: dict[tuple[str, ...], int] = {(): 0}
        # When the last word was completed: how the beam stood against the best, and its path.
        self._margins = [-np.inf]
        self._paths = [ROOT]

    def scores(self, sentences: NDArray[np.int64]) -> NDArray[np.float64]:
        """The language model's weighted score of each, without an end of sentence."""
        return self._scores[sentences]

    def score(self, sentence: int) -> float:
        """The same of one sentence."""
        return float(self._scores[sentence])

    def histories(self, sentences: NDArray[np.int64]) -> NDArray[np.int64]:
        """A number for each, equal where the same words bear on the scores of words to come."""
        return self._histories[sentences]

    def find(self, sentence: int, word_hash: int) -> int | None:
        """The number of a sentence with one more word, if it has been asked for before."""
        return self._numbers.get((sentence, word_hash))

    def extend(self, sentence: int, word_hash: int, word: str) -> int:
        """Score one more word after a sentence; gives the new sentence's number."""
        before = self._entries[sentence]
        log10, state, score = 0.0, None, 0.0
        if self._model is not None:
            log10, state = self._model.word_log10(before.state, word)
            score = self.score(sentence) + self._model.weighted(log10)
        number = len(self._entries)
        if number == len(self._scores):
            self._scores = np.resize(self._scores, 2 * number)
            self._histories = np.resize(self._histories, 2 * number)
        last_words = (*before.last_words, word)[-self._memory :]
        self._scores[number] = score
        self._histories[number] = self._history_numbers.setdefault(
            last_words, len(self._history_numbers)
        )
        self._entries.append(_Sentence(sentence, before.length + 1, last_words, log10, state))
        self._margins.append(-np.inf)
        self._paths.append(ROOT)
        self._numbers[sentence, word_hash] = number
        return number

    def ended_score(self, sentence: int) -> float:
        """The score of a sentence that ends with its last word."""
        if self._model is None:
            return 0.0
        entry = self._entries[sentence]
        log10 = entry.log10 + self._model.end_log10(entry.state)
        return self.score(entry.parent) + self._model.weighted(log10)

    def broken_off_score(self, sentence: int) -> float:
        """The score of a sentence that ends where another word was due.

        pyctcdecode scores an empty word there, which no model knows, so beams that end in a space
        are marked down.
        """
        if self._model is None:
            return 0.0
        log10, state = self._model.word_log10(self._entries[sentence].state, "")
        log10 += self._model.end_log10(state)
        return self.score(sentence) + self._model.weighted(log10)

    def completed(
        self,
        sentences: NDArray[np.int64],
        margins: NDArray[np.float64],
        paths: NDArray[np.int32],
    ) -> None:
        """Note beams that have completed their sentences' last words, and along which paths.

        `margins` are their scores less the leading beam's. The beam that stood best tells a word's
        times. They are settled once all beams contain the sentence: nothing completes it again.
        """
        for sentence, margin, path in zip(
            sentences.tolist(), margins.tolist(), paths.tolist(), strict=True
        ):
            if margin > self._margins[sentence]:
                self._margins[sentence] = margin
                self._paths[sentence] = path

    def paths(self, sentence: int) -> list[int]:
        """For each word, the path that tells its times; the first word first."""
        paths: list[int] = []
        while sentence != EMPTY:
            paths.append(self._paths[sentence])
            sentence = self._entries[sentence].parent
        return paths[::-1]

    def without_last(self, sentence: int) -> tuple[int, str]:
        """The sentence before its last word, and that word. `EMPTY` has none."""
        entry = self._entries[sentence]
        return entry.parent, entry.last_words[-1]

    def words(self, sentence: int) -> list[str]:
        """The words, the first one first."""
        words: list[str] = []
        while sentence != EMPTY:
            sentence, word = self.without_last(sentence)
            words.append(word)
        return words[::-1]

    def log10s(self, sentence: int) -> list[float]:
        """The language model's score of each word after those before it; 0.0 without a model."""
        scores: list[float] = []
        while sentence != EMPTY:
            scores.append(self._entries[sentence].log10)
            sentence = self._entries[sentence].parent
        return scores[::-1]

    def common_length(self, sentences: Iterable[int]) -> int:
        """With how many words all of the sentences begin alike."""
        negated = [-sentence for sentence in set(sentences)]
        heapify(negated)
        highest = -heappop(negated)
        while negated:  # parents have lower numbers, so the highest cannot be the common one
            parent = self._entries[highest].parent
            highest = -heappushpop(negated, -parent)
            while negated and -negated[0] == highest:
                heappop(negated)
        return self._entries[highest].length
