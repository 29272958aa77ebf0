"""Log-probabilities of transcribed clips by a model, chunk by chunk as a worker computes them.

For the benchmarks that judge words rather than a running server. Manifests are those of
`bench.eval`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.eval.audio import read_samples
from bench.eval.errors import EvalError
from bench.eval.manifest import read_manifest, spread
from gpu_worker.acoustic.load import load_model
from gpu_worker.stepper import EagerStepper
from models.spec import ModelSpec

BATCH: Final = 4
CPU: Final = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class SpokenClip:
    """A clip with its reference; `log_probs` are (frames, vocabulary)."""

    name: str
    speaker: str
    text: str
    samples: NDArray[np.int16]
    log_probs: NDArray[np.float32]


def spoken_clips(manifest: Path, spec: ModelSpec, limit: int) -> Iterator[SpokenClip]:
    """Up to `limit` clips, those that `bench.eval` takes."""
    try:
        clips = spread(read_manifest(manifest), limit)
    except EvalError as error:
        raise SystemExit(str(error)) from None
    stepper = make_stepper(spec)
    for clip in clips:
        samples = read_samples(clip.audio, spec.sample_rate_hz)
        log_probs = log_probs_of(samples, stepper, spec)
        yield SpokenClip(clip.audio.stem, clip.speaker, clip.text, samples, log_probs)


def make_stepper(spec: ModelSpec) -> EagerStepper:
    """The model on the CPU."""
    batch = 1 if spec.stateful else BATCH
    return EagerStepper(load_model(spec, CPU), spec, batch, CPU)


def log_probs_of(
    samples: NDArray[np.int16], stepper: EagerStepper, spec: ModelSpec
) -> NDArray[np.float32]:
    """(frames, vocabulary) of a segment that is these samples."""
    frames = spec.frames_of(len(samples))
    starts = np.arange(0, frames * spec.frame_samples, spec.chunk_samples) - spec.left_samples
    parts: list[NDArray[np.float32]] = []
    for group in np.array_split(starts, range(stepper.batch, len(starts), stepper.batch)):
        for item, start in enumerate(group.tolist()):
            begin = max(0, -start)
            end = min(spec.window_samples, len(samples) - start)
            window = stepper.stage(item, item + 1, first=start + spec.left_samples == 0)
            window[begin:end] = samples[start + begin : start + end]
            stepper.bound(item, begin, end)
        parts += list(stepper.run(len(group)).copy())
    if not parts:
        return np.zeros((0, len(spec.vocabulary)), np.float32)
    return np.concatenate(parts)[:frames]
