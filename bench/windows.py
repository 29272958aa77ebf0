"""Windows of noise for a stepper, for whoever measures or compares steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpu_worker.stepper import Stepper
from models.spec import ModelSpec


def speechlike(spec: ModelSpec, count: int, seed: int = 1) -> NDArray[np.int16]:
    """(count, window_samples): noise with an envelope, so that no item equals another."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 3000, (count, spec.window_samples))
    envelope = np.abs(
        np.sin(np.linspace(0, 20, spec.window_samples)[None] + np.arange(count)[:, None])
    )
    windows: NDArray[np.int16] = np.clip(noise * envelope, -32768, 32767).astype(np.int16)
    return windows


def stage(
    stepper: Stepper,
    windows: NDArray[np.int16],
    rows: list[int] | None = None,
    *,
    first: bool = True,
) -> None:
    """Fills the stepper's buffers; item i has row i + 1 unless ``rows`` say otherwise."""
    for item, window in enumerate(windows):
        row = item + 1 if rows is None else rows[item]
        stepper.stage(item, row, first=first)[:] = window
        stepper.bound(item, 0, window.shape[0])


def run(
    stepper: Stepper,
    windows: NDArray[np.int16],
    rows: list[int] | None = None,
    *,
    first: bool = True,
) -> NDArray[np.float32]:
    """One step over ``windows``, copied out: (count, chunk_frames, vocabulary)."""
    stage(stepper, windows, rows, first=first)
    return stepper.run(windows.shape[0]).copy()
