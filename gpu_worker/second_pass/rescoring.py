"""From what the second pass heard to the words that are shown: the decoder's part of it.

Chooses the text (`choice`), puts in words that the operator taught (`taught_words`), finds each
word's time by aligning it to the CTC log-probabilities, and its confidence from those and the first
pass's n-best texts. A pure function of all of these, so a replay gives the same final.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding import (
    AlignedWord,
    Aligner,
    AlignmentError,
    Calibration,
    Evidence,
    FrameHypothesis,
    FrameWord,
    LanguageModel,
    ScoredText,
    Vocabulary,
    evidence,
    overall,
    spoken_frames,
    word_shares,
)
from gpu_worker.second_pass.choice import Support, choose, missed_nats_per_s
from gpu_worker.second_pass.taught_words import TaughtWords
from models.spec import ModelSpec
from shm.heard import Heard

N_BEST: Final = 20
"""How many texts of the first pass a word's confidence is held against."""
LEAST_SHARE: Final = 1e-4
"""Less of the hypotheses' weight says no more against a word."""
NOTHING_TAUGHT: Final = TaughtWords()


class Rescorer:
    """Shared by the slots of a decoder: it keeps nothing between utterances."""

    def __init__(
        self,
        spec: ModelSpec,
        language_model: LanguageModel | None,
        calibration: Calibration,
        taught: TaughtWords = NOTHING_TAUGHT,
    ) -> None:
        """``taught`` are the words that only the operator's language model knows."""
        self._spec = spec
        self._support = Support(least=spec.least_support, sure=spec.sure_support)
        self._aligner = Aligner(Vocabulary(spec.vocabulary, spec.blank))
        self._language_model = language_model
        self._calibration = calibration
        self._taught = taught

    def rescored(
        self,
        log_probs: NDArray[np.float32],
        heard: Sequence[Heard],
        first_pass: FrameHypothesis,
        n_best: Sequence[ScoredText],
    ) -> FrameHypothesis:
        """The best of what both passes heard; ``log_probs`` (frames, vocabulary) of the segment."""
        scores = Scores(self._aligner, log_probs, self._language_model)
        chosen = choose(heard, first_pass.text, scores, self._support)
        seconds = len(log_probs) * self._spec.frame_s
        missed = missed_nats_per_s(chosen, first_pass.text, scores, seconds)
        if missed > self._spec.missed_nats_per_s:
            chosen = first_pass.text
        text = self._taught.corrected(chosen, first_pass.text, scores)
        try:
            aligned = self._aligner.align(log_probs, text)
        except AlignmentError:
            return first_pass  # more letters than there is time for: nobody said that
        times = spoken_frames([(word.start_frame, word.end_frame) for word in aligned])
        known = evidence_of(aligned, self._language_model, n_best, heard)
        words = tuple(
            FrameWord(word.text, self._calibration.confidence(speaks_for_it), *span, stable=True)
            for word, speaks_for_it, span in zip(aligned, known, times, strict=True)
        )
        return FrameHypothesis(words, overall([word.confidence for word in words]))


def evidence_of(
    words: Sequence[AlignedWord],
    language_model: LanguageModel | None,
    n_best: Sequence[ScoredText],
    heard: Sequence[Heard],
) -> list[Evidence]:
    """What both passes say for each word of a final.

    The second pass's opinion of a word is how likely it found its best text, per word, and how much
    of its hypotheses' weight has the word at its place; both in natural logarithms, added up.
    """
    found = evidence(words, language_model, n_best)
    if not heard:
        return found
    shares = word_shares(
        [word.text for word in words], [ScoredText(h.text, h.log_prob, 0.0) for h in heard]
    )
    whole = heard[0].log_prob / max(1, len(heard[0].text.split()))
    return [
        replace(word, attention_log_prob=whole + math.log(max(share, LEAST_SHARE)))
        for word, share in zip(found, shares, strict=True)
    ]


class Scores:
    """`choice.Scores` over one utterance."""

    def __init__(
        self,
        aligner: Aligner,
        log_probs: NDArray[np.float32],
        language_model: LanguageModel | None,
    ) -> None:
        self._aligner = aligner
        self._log_probs = log_probs
        self._language_model = language_model

    def prefixes(self, text: str) -> NDArray[np.float64]:
        """See `choice.Scores`; a text that cannot be spelled was not said, not even as silence."""
        try:
            return self._aligner.prefix_log_likelihoods(self._log_probs, text)
        except AlignmentError:
            return np.full(len(text.split()) + 1, -np.inf)

    def wholes(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """See `choice.Scores`."""
        return self._aligner.log_likelihoods(self._log_probs, texts)

    def language(self, text: str) -> float:
        """See `choice.Scores`."""
        return self._language_model.log_prob(text) if self._language_model else 0.0
