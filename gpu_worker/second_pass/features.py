"""Whisper's features in NumPy: log-mel spectrograms of an utterance's own length.

80 or 128 mel bands (Slaney's scale and normalisation) over windows of 25 ms every 10 ms, as in
Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision". Whisper was
trained on 30 s at a time; here the spectrogram is only as long as the audio and at least a second
of silence after it, so that the encoder's cost follows the utterance.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_worker.second_pass.hearing import SAMPLE_RATE_HZ
from shm.heard import MAX_HEARD_S

HOP_SAMPLES: Final = 160
WINDOW_SAMPLES: Final = 400
SILENCE_S: Final = 1
"""The least silence after the audio. Whisper hears from it that the utterance is over."""
_DYNAMIC_RANGE: Final = 8.0  # in log10 below the loudest bin
_LINEAR_UNTIL_HZ: Final = 1000.0
_HZ_PER_MEL: Final = 200.0 / 3.0
_LOG_STEP: Final = np.log(6.4) / 27.0


class LogMel:
    """Samples to features for a model with ``bands`` mel bands."""

    def __init__(self, bands: int) -> None:
        self._filters = _mel_filters(bands)
        self._window = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)

    def __call__(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """(n,) int16 at 16 kHz -> (bands, frames) float32; frames make up whole seconds.

        Whole seconds, so that utterances of about the same length have the same shape and can be
        heard as one batch without changing what any of them gives.
        """
        assert len(pcm) <= MAX_HEARD_S * SAMPLE_RATE_HZ, "an utterance fits Whisper's window"
        seconds = min(-(-len(pcm) // SAMPLE_RATE_HZ) + SILENCE_S, MAX_HEARD_S)
        samples = np.zeros(seconds * SAMPLE_RATE_HZ + WINDOW_SAMPLES, np.float32)
        start = WINDOW_SAMPLES // 2
        samples[start : start + len(pcm)] = pcm
        samples[:start] = samples[2 * start : start : -1]  # mirrored: no edge before the first hop
        samples /= 32_768.0
        windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[:-1:HOP_SAMPLES]
        spectrum = np.abs(np.fft.rfft(windows * self._window)).astype(np.float32)
        mel = np.log10(np.maximum(self._filters @ (spectrum**2).T, 1e-10))
        features: NDArray[np.float32] = (np.maximum(mel, mel.max() - _DYNAMIC_RANGE) + 4.0) / 4.0
        return features


def _mel_filters(bands: int) -> NDArray[np.float32]:
    """(bands, window // 2 + 1): triangles of equal area, evenly spaced in mel."""
    frequencies = np.linspace(0.0, SAMPLE_RATE_HZ / 2, WINDOW_SAMPLES // 2 + 1)
    edges = _hz(np.linspace(0.0, float(_mel(SAMPLE_RATE_HZ / 2)), bands + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - low) / (centre - low)
    falling = (high - frequencies) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (high - low)
    return triangles.astype(np.float32)


def _mel(hz: float) -> float:
    """Slaney's scale (Auditory Toolbox, 1998): linear to 1 kHz, logarithmic above."""
    if hz < _LINEAR_UNTIL_HZ:
        return hz / _HZ_PER_MEL
    return float(_LINEAR_UNTIL_HZ / _HZ_PER_MEL + np.log(hz / _LINEAR_UNTIL_HZ) / _LOG_STEP)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    linear_mels = _LINEAR_UNTIL_HZ / _HZ_PER_MEL
    above = np.maximum(mel - linear_mels, 0.0)
    return np.where(
        mel < linear_mels, mel * _HZ_PER_MEL, _LINEAR_UNTIL_HZ * np.exp(_LOG_STEP * above)
    )
