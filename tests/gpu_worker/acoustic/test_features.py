from __future__ import annotations

import numpy as np
import pytest
import torch

from gpu_worker.acoustic.features import (
    FFT_SAMPLES,
    HOP_SAMPLES,
    LOG_FLOOR,
    MEL_BINS,
    SAMPLE_RATE_HZ,
    SILENCE,
    LogMel,
    mel_filters,
)

BIN_HZ = SAMPLE_RATE_HZ / FFT_SAMPLES


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    return torch.from_numpy(generator.integers(-9000, 9000, samples).astype(np.int16))


def tone(hz: float, samples: int = FFT_SAMPLES) -> torch.Tensor:
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    return torch.from_numpy((8000 * np.sin(2 * np.pi * hz * time_s)).astype(np.int16))


def centres_hz() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Slaney's scale: 200/3 Hz a mel up to 1 kHz, then 27 mels for each factor of 6.4."""
    top = 15 + 27 * np.log(8) / np.log(6.4)
    mels = np.linspace(0, top, MEL_BINS + 2)[1:-1]
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


def test_the_filters_are_triangles_that_peak_at_their_centres() -> None:
    filters = mel_filters()
    assert filters.shape == (MEL_BINS, FFT_SAMPLES // 2 + 1)
    assert (filters >= 0).all()
    peaks = filters.argmax(1) * BIN_HZ
    assert np.abs(peaks - centres_hz()).max() <= BIN_HZ
    for triangle in filters:
        inside = np.flatnonzero(triangle)
        assert (np.diff(inside) == 1).all(), "one piece"
        rising = np.diff(triangle[inside]) > 0
        assert (np.diff(rising.astype(int)) <= 0).all(), "up, then down"


def test_wide_filters_have_the_area_of_one() -> None:
    """The area under a narrow one's few bins is only roughly that of its triangle."""
    areas = mel_filters().sum(1, dtype=np.float64) * BIN_HZ
    assert np.abs(areas[-30:] - 1).max() < 0.02


def test_filters_are_equally_wide_below_a_kilohertz_and_widen_above() -> None:
    centres = centres_hz()
    below = np.diff(centres[centres < 950])
    above = np.diff(centres[centres > 1050])
    assert np.allclose(below, below[0])
    assert np.allclose(above[1:] / above[:-1], above[1] / above[0])


def test_neither_the_constant_nor_the_highest_frequency_counts() -> None:
    filters = mel_filters()
    assert not filters[:, 0].any()
    assert not filters[:, -1].any()


@pytest.mark.parametrize("hz", [200, 700, 1000, 2500, 6000])
def test_a_tone_is_loudest_in_the_bin_at_its_frequency(hz: float) -> None:
    mel = LogMel()(tone(hz)[None])[0, :, 0]
    nearest = np.abs(centres_hz() - hz).argmin()
    assert abs(int(mel.argmax()) - int(nearest)) <= 1


def test_shapes() -> None:
    log_mel = LogMel()
    for samples, frames in [(400, 1), (559, 1), (560, 2), (66_800, 416)]:
        assert log_mel(noise(samples)[None]).shape == (1, MEL_BINS, frames)


def test_a_frame_sees_its_own_samples_and_no_other() -> None:
    log_mel = LogMel()
    pcm = noise(FFT_SAMPLES + 9 * HOP_SAMPLES)
    frames = log_mel(pcm[None])[0]
    for frame in (0, 4, 9):
        begin = frame * HOP_SAMPLES
        alone = log_mel(pcm[None, begin : begin + FFT_SAMPLES])[0, :, 0]
        assert torch.allclose(alone, frames[:, frame], atol=1e-5)
        other = noise(pcm.shape[0], seed=1)
        other[begin : begin + FFT_SAMPLES] = pcm[begin : begin + FFT_SAMPLES]
        assert torch.equal(log_mel(other[None])[0, :, frame], frames[:, frame])


def test_no_sound_is_silence_and_nothing_is_below_it() -> None:
    log_mel = LogMel()
    assert SILENCE == (LOG_FLOOR + 4) / 4
    silent = log_mel(torch.zeros(1, 1000, dtype=torch.int16))
    assert (silent == SILENCE).all()
    quiet = log_mel((noise(1000) // 4500)[None])
    assert (quiet >= SILENCE).all()


def test_ten_times_the_amplitude_is_two_decades_of_power() -> None:
    log_mel = LogMel()
    quiet = tone(1000) // 10
    loud_bin, quiet_bin = (log_mel(pcm[None])[0].max().item() for pcm in (quiet * 10, quiet))
    assert loud_bin - quiet_bin == pytest.approx(2 / 4, abs=1e-4)
