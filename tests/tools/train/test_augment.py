"""Augmentation: what each effect does to level and spectrum, and that nothing moves in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.train.augment import (
    augmented,
    band_limited,
    coarse,
    in_room,
    mu_law,
    telephone,
    with_gap,
    with_noise,
    without_band,
)

RATE_HZ = 16_000
NOISE = (np.random.default_rng(0).standard_normal(RATE_HZ) * 3000).astype(np.float32)
FADED = (NOISE * np.hanning(RATE_HZ)).astype(np.float32)
"""Nothing is cut off at its ends, which would be heard at all frequencies."""


def energy(pcm: np.ndarray, low_hz: float, high_hz: float) -> float:
    hz = np.fft.rfftfreq(len(pcm), 1 / RATE_HZ)
    power = np.abs(np.fft.rfft(pcm)) ** 2
    return float(power[(hz >= low_hz) & (hz < high_hz)].sum())


def test_a_band_keeps_what_is_in_it() -> None:
    limited = band_limited(FADED, 300, 3400)
    assert energy(limited, 320, 3380) == pytest.approx(energy(FADED, 320, 3380), rel=1e-2)
    assert energy(limited, 3600, 8000) < 1e-5 * energy(FADED, 3600, 8000)
    assert energy(limited, 0, 150) < 1e-4 * energy(FADED, 0, 150)


@pytest.mark.parametrize("seed", range(8))
def test_a_telephone_has_little_above_4_khz(seed: int) -> None:
    heard = telephone(NOISE, np.random.default_rng(seed))
    assert energy(heard, 4200, 8000) < 0.1 * energy(NOISE, 4200, 8000)


def test_mu_law_has_255_levels_and_38_db() -> None:
    coded = mu_law(NOISE)
    assert len(np.unique(coded)) <= 255
    error = np.square(coded - NOISE).mean() / np.square(NOISE).mean()
    assert error < 10 ** (-3.5)


def test_coarse_coding_is_quiet_where_speech_is() -> None:
    half = NOISE.copy()
    half[RATE_HZ // 2 :] = 0
    error = coarse(half, np.random.default_rng(1)) - half
    assert np.abs(error[: RATE_HZ // 4]).mean() > 10
    assert not error[RATE_HZ * 3 // 4 :].any()


def test_a_room_adds_a_tail_and_no_delay() -> None:
    click = np.zeros(RATE_HZ, np.float32)
    click[4000] = 10_000
    heard = in_room(click, np.random.default_rng(2))
    assert np.abs(heard).argmax() == 4000
    assert np.abs(heard[:3999]).max() < 1
    assert np.square(heard[4001:8000]).sum() > 100 * np.square(heard[12_500:]).sum()


def test_noise_is_below_the_speech() -> None:
    for seed in range(10):
        added = with_noise(NOISE, lambda: NOISE[None], np.random.default_rng(seed)) - NOISE
        level_db = 10 * np.log10(np.square(added).mean() / np.square(NOISE).mean())
        assert -31 < level_db < -7


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_any_choice_gives_samples_of_the_same_length(seed: int, silent: bool) -> None:
    pcm = np.zeros_like(NOISE) if silent else NOISE
    heard = augmented(pcm, lambda: np.stack([NOISE, pcm]), np.random.default_rng(seed))
    assert heard.shape == pcm.shape
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 32768


def test_the_generator_decides_everything() -> None:
    first, second = (
        augmented(NOISE, lambda: NOISE[None], np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("seed", range(5))
def test_a_gap_is_short_and_the_rest_stays(seed: int) -> None:
    heard = with_gap(NOISE, np.random.default_rng(seed))
    lost = np.flatnonzero(heard != NOISE)
    assert len(lost) <= RATE_HZ // 5
    assert not heard[lost].any()


@pytest.mark.parametrize("seed", range(5))
def test_a_band_is_lost_and_the_rest_stays(seed: int) -> None:
    heard = without_band(FADED, np.random.default_rng(seed))
    edges_hz = np.arange(0, 8_000, 10)
    left = np.array([energy(heard, hz, hz + 10) / energy(FADED, hz, hz + 10) for hz in edges_hz])
    lost = np.flatnonzero(left < 0.5)
    assert len(lost) > 0
    assert lost[-1] - lost[0] + 1 == len(lost)
    assert edges_hz[lost[-1]] <= 1.3 * max(edges_hz[lost[0]], 150)
    kept = np.setdiff1d(np.arange(len(left)), np.arange(lost[0] - 1, lost[-1] + 2))
    np.testing.assert_allclose(left[kept], 1.0, rtol=0.05)
