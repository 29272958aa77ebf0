"""Stage 5: word error rates through the windows that the engine serves, with its own beam search.

Each clip is one segment: silence before it, an end after it, chunk by chunk through the model's
`step`, so the log-probabilities are those of the worker. What the server adds on top (endpointing,
a second pass, text formatting) is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from gpu_worker.acoustic.contract import AcousticModel
from gpu_worker.decoding import BeamSearch, LanguageModel, Vocabulary
from models.spec import ModelSpec
from tools.loadtest.wer import WordErrors, count_word_errors
from tools.train.prepare import read_mono
from tools.train.readers import Recording
from tools.train.windows import cut

TELEPHONE_HZ: Final = 8_000
_MOST_WINDOWS: Final = 16


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the beam search is set; without a language model ``alpha`` and ``beta`` do nothing."""

    beam: int
    language_model: Path | None
    alpha: float
    beta: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Word errors at one sampling rate, and the texts that they were counted on."""

    rate_hz: int
    greedy: WordErrors
    beam: WordErrors
    texts: tuple[tuple[str, str, str], ...]
    """(transcript, greedy, beam) of each clip."""


def evaluate(
    spec: ModelSpec,
    model: AcousticModel,
    device: torch.device,
    recordings: Sequence[Recording],
    decoding: Decoding,
    rates_hz: Sequence[int],
) -> list[Accuracy]:
    """The word error rates of a model at each rate; rates below the model's are resampled to."""
    vocabulary = Vocabulary(spec.vocabulary, spec.blank)
    language_model = (
        LanguageModel.load(decoding.language_model, decoding.alpha, decoding.beta)
        if decoding.language_model
        else None
    )
    search = BeamSearch(vocabulary, decoding.beam, language_model)
    results = []
    for rate_hz in rates_hz:
        texts = []
        for recording in tqdm(recordings, desc=f"{rate_hz} Hz"):
            samples = heard_at(read_mono(recording.audio), rate_hz, spec.sample_rate_hz)
            log_probs = segment_log_probs(spec, model, device, samples)
            search.reset()
            search.advance(log_probs)
            texts.append((recording.transcript, greedy_text(spec, log_probs), search.final().text))
        results.append(
            Accuracy(
                rate_hz,
                count_word_errors((said, greedy) for said, greedy, _ in texts),
                count_word_errors((said, beam) for said, _, beam in texts),
                tuple(texts),
            )
        )
    return results


def heard_at(samples: NDArray[np.int16], rate_hz: int, model_hz: int) -> NDArray[np.int16]:
    """``samples`` as they come back from a line of ``rate_hz``."""
    if rate_hz == model_hz:
        return samples
    line = soxr.resample(samples, model_hz, rate_hz)
    heard: NDArray[np.int16] = soxr.resample(line, rate_hz, model_hz)
    return heard


def segment_log_probs(
    spec: ModelSpec, model: AcousticModel, device: torch.device, samples: NDArray[np.int16]
) -> NDArray[np.float32]:
    """(frames, vocabulary): one segment through the model's windows."""
    windows, spans = cut(samples, spec.left_samples, spec.chunk_samples, spec.window_samples)
    most = 1 if spec.stateful else _MOST_WINDOWS
    parts = []
    for first in range(0, len(windows), most):
        batch = slice(first, first + most)
        pcm = windows[batch]
        numbers = torch.arange(first, first + len(pcm), device=device)
        with torch.inference_mode():
            log_probs = model.step(
                torch.from_numpy(pcm).to(device),
                torch.from_numpy(spans[batch]).to(device),
                torch.ones_like(numbers),
                numbers == 0,
            )
        parts.append(log_probs.flatten(0, 1).cpu().numpy())
    joined: NDArray[np.float32] = np.concatenate(parts)[: spec.frames_of(len(samples))]
    return joined


def greedy_text(spec: ModelSpec, log_probs: NDArray[np.float32]) -> str:
    """The likeliest token of each frame, repeats and blanks taken out."""
    best = log_probs.argmax(axis=1)
    changed = np.flatnonzero(np.diff(best, prepend=spec.blank))
    return "".join(spec.vocabulary[token] for token in best[changed] if token != spec.blank).strip()
