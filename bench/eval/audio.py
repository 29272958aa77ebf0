"""Clips as 16-bit mono samples at a rate; one clip is held at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from bench.eval.errors import EvalError

WIDE_HZ: Final = 16_000
NARROW_HZ: Final = 8_000
BANDS_HZ: Final = (WIDE_HZ, NARROW_HZ)

Samples = NDArray[np.int16]
Signal = NDArray[np.float32] | NDArray[np.float64]


def read_samples(path: Path, rate_hz: int) -> Samples:
    """The file mixed to one channel and resampled, (n,). Raises EvalError if it is no audio."""
    try:
        samples, source_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise EvalError(f"{path} cannot be read as audio: {error}") from error
    return to_pcm(soxr.resample(samples.mean(axis=1), source_hz, rate_hz))


def read_at_16_khz(path: Path, band_hz: int) -> Samples:
    """What is left of a clip after a line of ``band_hz``, at 16 kHz again, (n,)."""
    samples = read_samples(path, band_hz)
    if band_hz == WIDE_HZ:
        return samples
    return to_pcm(soxr.resample(to_float(samples), band_hz, WIDE_HZ))


def to_float(samples: Samples) -> NDArray[np.float32]:
    """Samples in -1..1, (n,)."""
    return samples.astype(np.float32) / 32768


def to_pcm(signal: Signal) -> Samples:
    """A signal in -1..1 rounded to 16 bits, and clipped beyond, (n,)."""
    pcm: Samples = np.clip(np.rint(signal * 32768.0), -32768, 32767).astype(np.int16)
    return pcm
