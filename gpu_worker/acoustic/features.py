"""Log-mel features as Whisper computes them: 80 bins at 16 kHz, one frame per 10 ms.

Hann window and FFT of 400 samples, hop 160, Slaney's mel scale with area normalisation (Slaney,
Auditory Toolbox, 1998; Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision,
2022), log10 with a fixed floor in place of Whisper's relative one, so that a frame depends on
nothing but its own 400 samples.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 16_000
FFT_SAMPLES: Final = 400
HOP_SAMPLES: Final = 160
MEL_BINS: Final = 80
LOG_FLOOR: Final = -6.5
SILENCE: Final = (LOG_FLOOR + 4) / 4
"""The value of every bin of a frame without sound, and of frames outside the segment."""
_MIN_POWER: Final = 1e-10


class LogMel(torch.nn.Module):
    """PCM windows to log-mel frames, on whatever device it is moved to."""

    hann: torch.Tensor
    filters: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("hann", torch.hann_window(FFT_SAMPLES), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filters()), persistent=False)

    def forward(self, pcm: torch.Tensor) -> torch.Tensor:
        """(batch, samples) int16 -> (batch, 80, (samples - 400) // 160 + 1) float32.

        Frame j sees samples 160 j to 160 j + 400; nothing is padded here.
        """
        frames = (pcm.float() / 32768).unfold(-1, FFT_SAMPLES, HOP_SAMPLES) * self.hann
        squares = torch.view_as_real(torch.fft.rfft(frames)).square()
        power = (
            squares[..., 0] + squares[..., 1]
        )  # in a fifth of the time that a sum over two takes
        mel = torch.matmul(power, self.filters.T).transpose(1, 2)
        return (mel.clamp(min=_MIN_POWER).log10().clamp(min=LOG_FLOOR) + 4) / 4


def mel_filters() -> NDArray[np.float32]:
    """Triangular filters, (80, 201): linear below 1 kHz, logarithmic above, each of area 1."""
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLE_RATE_HZ / 2), MEL_BINS + 2))
    bins_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    triangles = np.clip(np.minimum(rising, falling), 0.0, None)
    filters: NDArray[np.float32] = (triangles * (2.0 / (high - low))).astype(np.float32)
    return filters


_BREAK_HZ: Final = 1000.0
_LINEAR_HZ_PER_MEL: Final = 200.0 / 3
_BREAK_MEL: Final = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP: Final = float(np.log(6.4)) / 27


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return _BREAK_MEL + float(np.log(hz / _BREAK_HZ)) / _LOG_STEP


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    hz: NDArray[np.float64] = np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, logarithmic)
    return hz
