"""Beam search over CTC log-probabilities, chunk by chunk, with a KenLM language model."""

from __future__ import annotations

from gpu_worker.decoding.beam_search import MAX_BEAM_SIZE, BeamSearch
from gpu_worker.decoding.hypothesis import FrameHypothesis, FrameWord, Search
from gpu_worker.decoding.language_model import LanguageModel
from gpu_worker.decoding.reference import ReferenceSearch
from gpu_worker.decoding.unigrams import LanguageModelError
from gpu_worker.decoding.vocabulary import Vocabulary

__all__ = [
    "MAX_BEAM_SIZE",
    "BeamSearch",
    "FrameHypothesis",
    "FrameWord",
    "LanguageModel",
    "LanguageModelError",
    "ReferenceSearch",
    "Search",
    "Vocabulary",
]
