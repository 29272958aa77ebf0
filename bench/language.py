"""The language model of a model directory, for benchmarks that search without a server."""

from __future__ import annotations

from pathlib import Path

from gpu_worker.decoding import LanguageModel
from models.spec import ModelSpec


def language_model_of(spec: ModelSpec, path: Path | None = None) -> LanguageModel | None:
    """The one that the directory names, or ``path``, with the directory's weights of the scores.

    None where neither names one. Raises LanguageModelError as `LanguageModel.load`.
    """
    path = path or spec.language_model_path
    return None if path is None else LanguageModel.load(path, spec.alpha, spec.beta)
