"""A segment through both passes, as a decoder and a second pass hear it. For the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.language import language_model_of
from gpu_worker.decoder import taught_words
from gpu_worker.decoding import Aligner, BeamSearch, ScoredText, Vocabulary
from gpu_worker.decoding.confidence import UNCALIBRATED
from gpu_worker.second_pass.loading import load_on_cpu
from gpu_worker.second_pass.rescoring import N_BEST, Rescorer
from models.spec import ModelSpec
from shm.heard import Heard

BEAM_SIZE: Final = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a segment: the first pass's text and n-best list, what the second heard, best
    first, and the text of the final."""

    first_pass: str
    n_best: tuple[ScoredText, ...]
    heard: tuple[Heard, ...]
    final: str


class BothPasses:
    """The two, with one language model."""

    def __init__(
        self,
        spec: ModelSpec,
        second_pass: Path | None = None,
        language_model: Path | None = None,
    ) -> None:
        """``second_pass``, a directory, and ``language_model``: others than ``spec`` names."""
        directory = second_pass or spec.second_pass_path
        model = language_model_of(spec, language_model)
        if directory is None or model is None:
            raise SystemExit(f"{spec.directory} names no second pass or no language model")
        vocabulary = Vocabulary(spec.vocabulary, spec.blank)
        self.language_model: Final = model
        self.aligner: Final = Aligner(vocabulary)
        self._search = BeamSearch(vocabulary, BEAM_SIZE, self.language_model)
        self._model = load_on_cpu(directory)
        taught = taught_words(spec, self.language_model)
        self._rescorer = Rescorer(spec, self.language_model, UNCALIBRATED, taught)

    def hear(self, samples: NDArray[np.int16], log_probs: NDArray[np.float32]) -> Found:
        """``log_probs`` (frames, vocabulary) of the ``samples``."""
        return self.decode(log_probs, self._model.hear([samples])[0])

    def decode(self, log_probs: NDArray[np.float32], heard: tuple[Heard, ...]) -> Found:
        """With what the second pass ``heard`` before."""
        self._search.reset()
        self._search.advance(log_probs)
        first_pass, n_best = self._search.final(), tuple(self._search.n_best(N_BEST))
        final = self._rescorer.rescored(log_probs, heard, first_pass, n_best)
        return Found(first_pass.text, n_best, heard, final.text)
