"""A KenLM language model with pyctcdecode's scoring of words, unknown words and unfinished words.

A binary model is mapped from its file, so the decoder processes of a machine share its pages; only
the known words and their prefixes are each process's own (about 20 MiB for 79,000 words). Scores
are natural logarithms unless a name says log10.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

import kenlm

from gpu_worker.decoding._native import Lexicon
from gpu_worker.decoding.spelling_hash import prefix_hashes
from gpu_worker.decoding.unigrams import (
    WORDS_FILE,
    LanguageModelError,
    arpa_fault,
    check_spelling,
    find_words,
    stored_words,
)

KenlmState: TypeAlias = Any  # kenlm ships no types; cannot be pickled, lives within a segment

# pyctcdecode 0.5.0's defaults (constants.py); fixed here because nobody tunes them.
UNKNOWN_SCORE: Final = -10.0
USUAL_WORD_LENGTH: Final = 6
LN_10: Final = 1.0 / math.log10(math.e)
"""What a log10 is multiplied with for the natural logarithm, as pyctcdecode computes it."""


class LanguageModel:
    """A loaded model; read-only, so one serves all searches of a process."""

    def __init__(self, kenlm_model: Any, words: Iterable[str], alpha: float, beta: float) -> None:
        if not (math.isfinite(alpha) and math.isfinite(beta)):
            raise ValueError(f"alpha and beta must be finite numbers, not {alpha} and {beta}")
        self.kenlm_model = kenlm_model
        self.alpha = alpha
        self.beta = beta
        self.words = frozenset(word for word in words if word in kenlm_model)
        self.lexicon = Lexicon(prefix_hashes(sorted(self.words))) if self.words else None

    @classmethod
    def load(
        cls, path: Path, alpha: float, beta: float, unigrams_path: Path | None = None
    ) -> LanguageModel:
        """Load an ARPA or binary model; `unigrams` tells where the known words come from.

        `alpha` weighs the model against the acoustics, `beta` is added for each word.
        Raises LanguageModelError, one line, for whatever is wrong with the files.
        """
        if not path.is_file():
            raise LanguageModelError(
                f"{path}: no such file; give the path of a KenLM language model, ARPA or binary"
            )
        try:
            stored_words(path)  # refuses a cut-off binary before KenLM maps it
            model = kenlm.Model(str(path), _quiet())
        except (OSError, RuntimeError, ValueError, MemoryError) as error:
            raise LanguageModelError(
                f"{path}: not a KenLM language model, ARPA text from lmplz or a file from "
                f"build_binary ({arpa_fault(path) or _reason(error)})"
            ) from None
        listed = find_words(path, unigrams_path)
        check_spelling(path, listed)
        loaded = cls(model, listed, alpha, beta)
        if listed and not loaded.words:
            raise LanguageModelError(
                f"{unigrams_path or path.with_name(WORDS_FILE)}: none of its {len(listed)} words "
                f"is in {path}; give the word list that belongs to the model"
            )
        return loaded

    @property
    def order(self) -> int:
        """The n of the n-grams."""
        return int(self.kenlm_model.order)

    def start(self) -> KenlmState:
        """The state at the beginning of a sentence."""
        state = kenlm.State()
        self.kenlm_model.BeginSentenceWrite(state)
        return state

    def word_log10(self, state: KenlmState, word: str) -> tuple[float, KenlmState]:
        """The score of the next word, lowered if it is not known, and the state after it."""
        after = kenlm.State()
        log10: float = self.kenlm_model.BaseScore(state, word, after)
        known = word in self.words if self.words else word in self.kenlm_model
        return (log10 if known else log10 + UNKNOWN_SCORE), after

    def end_log10(self, state: KenlmState) -> float:
        """The score of the sentence's end."""
        return float(self.kenlm_model.BaseScore(state, "</s>", kenlm.State()))

    def log_prob(self, text: str) -> float:
        """A whole sentence's natural log-probability, unknown words as KenLM scores them."""
        return float(self.kenlm_model.score(text)) * LN_10

    def weighted(self, log10: float) -> float:
        """What a word of that score adds to a beam."""
        return self.alpha * log10 * LN_10 + self.beta


def _quiet() -> Any:
    """Load by mapping, ahead of use, and without a progress bar on stderr."""
    config = kenlm.Config()
    config.load_method = kenlm.LoadMethod.POPULATE_OR_READ
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    return config


def _reason(error: Exception) -> str:
    """KenLM's own words in one printable line, without its source positions."""
    if isinstance(error, UnicodeDecodeError):
        return "it holds bytes that are not text"  # KenLM quotes them, its wrapper trips over them
    text = str(error).rpartition(" threw ")[2]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:160].rstrip(")")
