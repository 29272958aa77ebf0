"""Beam search over CTC log-probabilities, chunk by chunk, with a KenLM language model."""

from __future__ import annotations

from gpu_worker.decoding.alignment import AlignedWord, Aligner, AlignmentError
from gpu_worker.decoding.beam_search import MAX_BEAM_SIZE, BeamSearch
from gpu_worker.decoding.confidence import (
    Calibration,
    ConfidenceError,
    Evidence,
    evidence,
    overall,
    word_shares,
)
from gpu_worker.decoding.hypothesis import FrameHypothesis, FrameWord, ScoredText, Search
from gpu_worker.decoding.language_model import LanguageModel
from gpu_worker.decoding.reference import ReferenceSearch
from gpu_worker.decoding.unigrams import LanguageModelError
from gpu_worker.decoding.vocabulary import Vocabulary
from gpu_worker.decoding.word_times import spoken_frames

__all__ = [
    "MAX_BEAM_SIZE",
    "AlignedWord",
    "Aligner",
    "AlignmentError",
    "BeamSearch",
    "Calibration",
    "ConfidenceError",
    "Evidence",
    "FrameHypothesis",
    "FrameWord",
    "LanguageModel",
    "LanguageModelError",
    "ReferenceSearch",
    "ScoredText",
    "Search",
    "Vocabulary",
    "evidence",
    "overall",
    "spoken_frames",
    "word_shares",
]
