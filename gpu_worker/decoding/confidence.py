"""From what speaks for a word to the chance that it is right: logistic regression, per model.

What speaks for a word can be had for any text, whoever proposed it: its CTC log-probabilities along
an alignment, its length in frames, its language model score after the words before (which tells
most), how often it stands at its place among the search's n-best texts, and what a second pass
thinks of it. The weights belong to the acoustic model and lie beside it in `confidence.json`
(`python -m bench.confidence` fits them); a model without that file gets the geometric mean of a
word's token probabilities, which ranks words but is no chance.

A word that a search shows is judged by its own alignment and the words before it: these are settled
once the word is stable, and what else might stand in its place is not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

import numpy as np

from gpu_worker.decoding.alignment import AlignedWord
from gpu_worker.decoding.hypothesis import ScoredText
from gpu_worker.decoding.language_model import LanguageModel

CONFIDENCE_FILE: Final = "confidence.json"
N_BEST_SCALE: Final = 0.5
"""Flattens the n-best texts' shares, whose scores are too sure. Chosen on dev."""
_SURE: Final = 0.999  # shares beyond are as good as certain, and have no finite logit
_LEAST_LOG_PROB: Final = -10.0  # less says no more than this, of any kind of log-probability
_MOST_FRAMES_PER_LETTER: Final = 10.0

Weights = Mapping[str, float]

_ALIGNED: Final = ("bias", "mean_log_prob", "min_log_prob", "log_letters", "frames_per_letter")
STAGES: Final = {
    "search": (*_ALIGNED, "language_log10"),
    "n_best": (*_ALIGNED, "language_log10", "share_logit"),
    "second_pass": (*_ALIGNED, "language_log10", "share_logit", "attention_log_prob"),
}
"""The features that have weights, by how much is known of a word."""


class ConfidenceError(ValueError):
    """A file of weights that cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one word. Log-probabilities are natural, of its tokens."""

    letters: int
    frames: int
    """From its first token to the end of its last."""
    mean_log_prob: float
    min_log_prob: float
    language_log10: float | None
    """Its score after the words before it; None without a language model."""
    share: float | None = None
    """Of the n-best texts' weight, what has the word at its place; None where nobody looked."""
    attention_log_prob: float | None = None
    """What a second pass makes of it, None without one: its text's log-probability per word, plus
    that of the share of its hypotheses which have the word."""

    @property
    def stage(self) -> str:
        """Which of `STAGES` it is evidence for."""
        if self.share is None:
            return "search"
        return "n_best" if self.attention_log_prob is None else "second_pass"

    def feature(self, name: str) -> float:
        """One of the features in `STAGES` that this evidence has."""
        match name:
            case "bias":
                return 1.0
            case "log_letters":
                return math.log(max(1, self.letters))
            case "frames_per_letter":
                return min(self.frames / max(1, self.letters), _MOST_FRAMES_PER_LETTER)
            case "share_logit":
                assert self.share is not None, "only stages with shares weigh them"
                share = min(max(self.share, 1 - _SURE), _SURE)
                return math.log(share / (1 - share))
        log_prob: float = getattr(self, name)
        return max(log_prob, _LEAST_LOG_PROB)


def evidence(
    words: Sequence[AlignedWord],
    language_model: LanguageModel | None,
    n_best: Sequence[ScoredText],
) -> list[Evidence]:
    """What speaks for each word of any text, aligned to the log-probabilities of the n-best texts.

    A second pass adds its own opinion with `dataclasses.replace`.
    """
    texts = [word.text for word in words]
    return [
        Evidence(
            letters=len(word.text),
            frames=word.end_frame - word.start_frame,
            mean_log_prob=word.mean_log_prob,
            min_log_prob=word.min_log_prob,
            language_log10=log10,
            share=share,
        )
        for word, log10, share in zip(
            words, language_log10s(texts, language_model), word_shares(texts, n_best), strict=True
        )
    ]


def language_log10s(
    words: Sequence[str], language_model: LanguageModel | None
) -> list[float] | list[None]:
    """Each word's score after those before it, from the beginning of a sentence."""
    if language_model is None:
        return [None] * len(words)
    state, found = language_model.start(), []
    for word in words:
        log10, state = language_model.word_log10(state, word)
        found.append(log10)
    return found


def word_shares(words: Sequence[str], n_best: Sequence[ScoredText]) -> list[float]:
    """For each word, the weight of the n-best texts that have it at its place; all weigh 1.0.

    The place is the one that lining up both texts' words gives.
    """
    totals = N_BEST_SCALE * np.array([text.total for text in n_best])
    weights = np.exp(totals - np.logaddexp.reduce(totals)) if len(totals) else totals
    shares = np.zeros(len(words))
    matcher: SequenceMatcher[str] = SequenceMatcher(autojunk=False)
    matcher.set_seq2(words)
    for text, weight in zip(n_best, weights, strict=True):
        matcher.set_seq1(text.text.split())
        for match in matcher.get_matching_blocks():
            shares[match.b : match.b + match.size] += weight
    found: list[float] = np.minimum(shares, 1.0).tolist()
    return found


def overall(confidences: Sequence[float]) -> float:
    """The confidence of a hypothesis: the mean of its words', so the share that is likely right.

    0.0 where there are no words.
    """
    return sum(confidences) / len(confidences) if confidences else 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """The weights of one acoustic model, by stage. Without any it is the identity."""

    stages: Mapping[str, Weights] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path) -> Calibration:
        """From a model's directory; the identity where it has no `confidence.json`.

        Raises ConfidenceError for a file that is there but cannot be used.
        """
        path = directory / CONFIDENCE_FILE
        try:
            stages = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, RecursionError) as error:
            raise ConfidenceError(f"{path} cannot be read as JSON: {error}") from None
        if not isinstance(stages, dict) or not set(stages) <= set(STAGES):
            raise ConfidenceError(f"{path} must be an object with some of: {', '.join(STAGES)}")
        for stage, weights in stages.items():
            if not (_are_weights(weights) and set(weights) == set(STAGES[stage])):
                raise ConfidenceError(
                    f"{path}: {stage!r} must have a finite number for each of: "
                    f"{', '.join(STAGES[stage])}"
                )
        return cls(stages)

    def confidence(self, word: Evidence) -> float:
        """The chance that a word is right, 0 to 1.

        By the weights for all that is known of it, or of the nearest stage before that has any.
        Without a language model, or without weights, the geometric mean of its tokens'.
        """
        if word.language_log10 is None:
            return math.exp(word.mean_log_prob)
        known = list(STAGES)[: list(STAGES).index(word.stage) + 1]
        for stage in reversed(known):
            if (weights := self.stages.get(stage)) is not None:
                logit = sum(weight * word.feature(name) for name, weight in weights.items())
                return 0.5 * (1 + math.tanh(0.5 * logit))  # the logistic function, no overflow
        return math.exp(word.mean_log_prob)


UNCALIBRATED: Final = Calibration()


def _are_weights(weights: Any) -> bool:
    return isinstance(weights, dict) and all(
        type(weight) in {int, float} and math.isfinite(weight) for weight in weights.values()
    )
