"""pyctcdecode itself behind the `Search` protocol: slow, and what `BeamSearch` is measured against.

It has no state between chunks, so every partial and final decodes the segment from its start.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding.beam_search import BEAM_PRUNE_LOG_PROB, TOKEN_MIN_LOG_PROB
from gpu_worker.decoding.confidence import UNCALIBRATED, Calibration, language_log10s
from gpu_worker.decoding.hypothesis import FrameHypothesis, ScoredText
from gpu_worker.decoding.language_model import LanguageModel
from gpu_worker.decoding.log_probs import renormalised
from gpu_worker.decoding.vocabulary import Vocabulary
from gpu_worker.decoding.word_times import Timing, hypothesis


class ReferenceSearch:
    """A `Search`. Raises ModuleNotFoundError where pyctcdecode is not installed.

    Two things pyctcdecode does not tell are made up for: no word of a partial is called stable, and
    a word's confidence is that of the most likely tokens between its first frame and its last.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        beam_size: int,
        language_model: LanguageModel | None,
        calibration: Calibration = UNCALIBRATED,
    ) -> None:
        from pyctcdecode.alphabet import Alphabet  # noqa: PLC0415  (optional at run time)
        from pyctcdecode.decoder import BeamSearchDecoderCTC  # noqa: PLC0415

        self._decoder = BeamSearchDecoderCTC(
            Alphabet(list(vocabulary.labels), vocabulary.word_pieces),
            None if language_model is None else _as_pyctcdecode(language_model),
        )
        self._beam_size = beam_size
        self._calibration = calibration
        self._model = language_model
        self._blank = vocabulary.blank
        self._width = len(vocabulary.tokens)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a segment."""
        self._log_probs = np.zeros((0, self._width), np.float32)

    def advance(self, log_probs: NDArray[np.float32]) -> None:
        """Keep the next frames, (frames, vocabulary) natural log-probabilities.

        Raises ValueError for another shape or for NaN.
        """
        renormalised(log_probs, self._width)
        self._log_probs = np.concatenate([self._log_probs, np.asarray(log_probs, np.float32)])

    def partial(self) -> FrameHypothesis:
        """What pyctcdecode would give if the segment ended here."""
        return self._decoded(stable=False)

    def final(self) -> FrameHypothesis:
        """What pyctcdecode gives for the segment."""
        return self._decoded(stable=True)

    def _decoded(self, *, stable: bool) -> FrameHypothesis:
        if not len(self._log_probs):
            return FrameHypothesis((), 0.0)
        best = self._beams()[0]
        words = [(word, self._timing(start, end)) for word, (start, end) in best[2]]
        scores = language_log10s([word for word, _ in words], self._model)
        return hypothesis(words, scores, len(words) if stable else 0, self._calibration)

    def n_best(self, count: int) -> tuple[ScoredText, ...]:
        """What pyctcdecode gives for the segment and the texts behind it, best first.

        Raises ValueError where `count` is less than 1.
        """
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count}")
        if not len(self._log_probs):
            return (ScoredText("", 0.0, 0.0),)
        return tuple(
            ScoredText(text, acoustic, total - acoustic)
            for text, _, _, acoustic, total in self._beams()[:count]
        )

    def _beams(self) -> list[Any]:
        # With pruned history, as in pyctcdecode's decode(), which gives no frames.
        beams: list[Any] = self._decoder.decode_beams(
            self._log_probs,
            beam_width=self._beam_size,
            beam_prune_logp=BEAM_PRUNE_LOG_PROB,
            token_min_logp=float(TOKEN_MIN_LOG_PROB),
            prune_history=True,
        )
        return beams

    def _timing(self, start: int, end: int) -> Timing:
        frames = self._log_probs[start:end]
        spoken = frames[frames.argmax(axis=1) != self._blank]
        tokens = spoken if len(spoken) else np.delete(frames, self._blank, axis=1)
        peaks = tokens.max(axis=1)
        return Timing(start, end, float(peaks.sum()), float(peaks.min(initial=0.0)), len(tokens))


@lru_cache(maxsize=1)
def _as_pyctcdecode(model: LanguageModel) -> Any:
    """The same model in pyctcdecode's class; its tree of known words takes seconds, so one only."""
    from pyctcdecode.language_model import LanguageModel as Scorer  # noqa: PLC0415

    return Scorer(model.kenlm_model, model.words or None, alpha=model.alpha, beta=model.beta)
