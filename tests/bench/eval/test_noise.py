"""Synthetic audio: seeded, as long as asked, at a level, and what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from bench.eval import noise
from bench.eval.audio import Samples, to_float

COUNT = 40_000


def voices() -> list[Samples]:
    rng = np.random.default_rng(1)
    return [noise.white_noise(5_000 + 100 * n, rng) // (n + 1) for n in range(10)]


def made(kind: str, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    if kind == "babble":
        return noise.babble(COUNT, voices(), rng)
    return {"white_noise": noise.white_noise, "music": noise.music}[kind](COUNT, rng)


@pytest.mark.parametrize("kind", ["white_noise", "music", "babble"])
def test_kinds_are_seeded_as_long_as_asked_and_at_one_level(kind: str) -> None:
    first = made(kind, 3)
    assert first.shape == (COUNT,)
    assert first.dtype == np.int16
    assert np.array_equal(first, made(kind, 3))
    assert not np.array_equal(first, made(kind, 4))
    assert np.sqrt(np.mean(to_float(first) ** 2)) == pytest.approx(noise.LEVEL, rel=0.05)


def test_silence() -> None:
    assert not noise.silence(COUNT).any()


def test_babble_has_all_voices_at_one_level() -> None:
    quiet_and_loud = [np.full(1_000, level, dtype=np.int16) for level in (100, 10_000)]
    mixed = noise.babble(COUNT, quiet_and_loud, np.random.default_rng(0))
    assert np.ptp(mixed) == 0, "equal levels leave no step between a quiet clip and a loud one"


def test_music_is_tonal_and_white_noise_is_not() -> None:
    def flatness(samples: Samples) -> float:
        power = np.abs(np.fft.rfft(to_float(samples))) ** 2 + 1e-12
        return float(np.exp(np.mean(np.log(power))) / np.mean(power))

    assert flatness(made("music", 0)) < 0.1 < flatness(made("white_noise", 0))


def test_clipped_speech_touches_its_limit_often() -> None:
    cut = noise.clipped(made("white_noise", 0))
    assert np.abs(cut.astype(int)).max() == 16_384
    assert np.mean(np.abs(cut.astype(int)) == 16_384) > 0.1


def test_reversed_speech() -> None:
    speech = made("babble", 0)
    assert np.array_equal(noise.reversed_speech(speech)[::-1], speech)


def test_silence_has_no_level() -> None:
    assert not noise.at_level(np.zeros(10)).any()
