"""KenLM's scores of the words that one search tries, by the histories that they follow.

A search numbers the histories, which are as long as the model looks back; KenLM's state after each
is kept until the search is reset.
"""

from __future__ import annotations

from gpu_worker.decoding._native import LanguageScores
from gpu_worker.decoding.language_model import (
    LN_10,
    UNKNOWN_SCORE,
    USUAL_WORD_LENGTH,
    KenlmState,
    LanguageModel,
)


class WordScores:
    """One segment's; `clear` begins the next. Scores are log10."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.clear()

    def clear(self) -> None:
        """Forget all histories but the start of a sentence, number 0."""
        self._states: dict[int, KenlmState] = {0: self._model.start()}
        self._ends: dict[int, float] = {}

    def for_search(self) -> LanguageScores:
        """All that the compiled search needs of the model."""
        return LanguageScores(
            score_word=self.word,
            alpha=self._model.alpha,
            beta=self._model.beta,
            ln10=LN_10,
            memory=max(1, self._model.order - 1),
            lexicon=self._model.lexicon,
            unknown_score=UNKNOWN_SCORE,
            usual_word_length=USUAL_WORD_LENGTH,
        )

    def word(self, history: int, word: str, after: int) -> float:
        """The score of a word after a history; `after` is the number of what the two make."""
        log10, self._states[after] = self._model.word_log10(self._states[history], word)
        return log10

    def end(self, history: int) -> float:
        """The score of the sentence's end."""
        if history not in self._ends:
            self._ends[history] = self._model.end_log10(self._states[history])
        return self._ends[history]

    def broken_off(self, history: int) -> float:
        """The score of a sentence's end where another word was due.

        pyctcdecode scores an empty word there, which no model knows, so beams that end in a space
        are marked down.
        """
        log10, state = self._model.word_log10(self._states[history], "")
        return log10 + self._model.end_log10(state)
