from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gpu_worker.second_pass.features import SAMPLE_RATE_HZ, SILENCE_S, LogMel
from shm.heard import MAX_HEARD_S
from tests.conformance.speech import clips

BANDS = [80, 128]


def noise(seconds: float, seed: int = 0) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3000, round(seconds * SAMPLE_RATE_HZ)).astype(np.int16)


def padded(pcm: NDArray[np.int16], seconds: int) -> NDArray[np.float32]:
    """The audio as Whisper hears it: -1 to 1, with silence up to ``seconds``."""
    samples = np.zeros(seconds * SAMPLE_RATE_HZ, np.float32)
    samples[: len(pcm)] = pcm / 32_768
    return samples


def hz_of(mel: float) -> float:
    """Slaney's mel: 3 of them are 200 Hz up to 1 kHz, then 27 of them a factor of 6.4."""
    return 200 / 3 * mel if mel < 15 else float(1000 * 6.4 ** ((mel - 15) / 27))


def expected(samples: NDArray[np.float32], bands: int) -> NDArray[np.float32]:
    """Whisper's features as its paper and its public code have them, by torch, a band at a time."""
    spectrum = torch.stft(
        torch.from_numpy(samples), 400, 160, window=torch.hann_window(400), return_complex=True
    )
    power = spectrum[:, :-1].abs().double() ** 2
    frequencies = np.arange(201) * 40.0
    highest = 15 + 27 * np.log(8) / np.log(6.4)
    edges = [hz_of(highest * band / (bands + 1)) for band in range(bands + 2)]
    rows = []
    for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False):
        triangle = np.interp(frequencies, [low, centre, high], [0, 1, 0], 0, 0)
        rows.append(torch.from_numpy(triangle * 2 / (high - low)) @ power)
    log = torch.stack(rows).clamp(min=1e-10).log10()
    return ((torch.maximum(log, log.max() - 8) + 4) / 4).float().numpy()


@pytest.mark.parametrize("bands", BANDS)
def test_speech_against_torch(bands: int) -> None:
    audio = clips(1)[0].audio
    found = LogMel(bands)(audio)
    want = expected(padded(audio, found.shape[1] // 100), bands)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, want, atol=2e-4)


@pytest.mark.parametrize("bands", BANDS)
def test_noise_against_faster_whisper(bands: int) -> None:
    reference = pytest.importorskip("faster_whisper.feature_extractor")
    audio = noise(2.7)
    theirs = reference.FeatureExtractor(feature_size=bands)(padded(audio, 4), padding=0)
    np.testing.assert_allclose(LogMel(bands)(audio), theirs, atol=2e-4)


@pytest.mark.parametrize("bands", BANDS)
@pytest.mark.parametrize(
    ("samples", "seconds"),
    [(1, 1), (SAMPLE_RATE_HZ, 1), (SAMPLE_RATE_HZ + 1, 2), (20 * SAMPLE_RATE_HZ, 20)],
)
def test_whole_seconds_with_a_second_of_silence(bands: int, samples: int, seconds: int) -> None:
    features = LogMel(bands)(np.ones(samples, np.int16))
    assert features.shape == (bands, 100 * (seconds + SILENCE_S))


@pytest.mark.parametrize("samples", [29 * SAMPLE_RATE_HZ + 1, MAX_HEARD_S * SAMPLE_RATE_HZ])
def test_no_longer_than_whisper_hears(samples: int) -> None:
    assert LogMel(80)(noise(samples / SAMPLE_RATE_HZ)).shape == (80, 100 * MAX_HEARD_S)


def test_more_is_the_callers_mistake() -> None:
    with pytest.raises(AssertionError, match="fits"):
        LogMel(80)(np.zeros(MAX_HEARD_S * SAMPLE_RATE_HZ + 1, np.int16))


def test_silence_is_finite_and_flat() -> None:
    features = LogMel(80)(np.zeros(SAMPLE_RATE_HZ, np.int16))
    np.testing.assert_allclose(features, -1.5, atol=1e-6)


def test_nothing_below_the_dynamic_range() -> None:
    features = LogMel(80)(noise(1.0))
    assert features.max() - features.min() == pytest.approx(2.0, abs=1e-5)


def test_the_audio_is_left_as_it_is() -> None:
    audio = noise(0.5)
    before = audio.copy()
    log_mel = LogMel(80)
    first = log_mel(audio)
    assert np.array_equal(log_mel(audio), first)
    assert np.array_equal(audio, before)
