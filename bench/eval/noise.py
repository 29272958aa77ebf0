"""Audio in which nothing English is said, seeded: every word that comes out of it was made up.

Each kind is 16 kHz samples, (n,), at the level of speech at about -26 dB below full scale. Two
kinds are made of speech: `clipped`, which still says something, and `reversed_speech`, which stands
for a foreign language: its sounds and rhythm are a voice's, its words nobody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.eval.audio import WIDE_HZ, Samples, Signal, to_float, to_pcm

LEVEL: Final = 0.05
VOICES: Final = 8
CLIPPED_GAIN: Final = 10.0
BEAT_S: Final = 0.5
ROOTS_HZ: Final = (220.0, 174.61, 261.63, 196.0)
"""A minor, F, C, G, a bar of four beats each."""
MINOR: Final = (1.0, 1.2, 1.5)
MAJOR: Final = (1.0, 1.25, 1.5)
SCALE: Final = (1.0, 9 / 8, 6 / 5, 3 / 2, 9 / 5, 2.0)


Wave = NDArray[np.float64]


def silence(count: int) -> Samples:
    """Digital silence."""
    return np.zeros(count, dtype=np.int16)


def white_noise(count: int, rng: np.random.Generator) -> Samples:
    """Noise of equal power at all frequencies."""
    return to_pcm(LEVEL * rng.normal(size=count))


def music(count: int, rng: np.random.Generator) -> Samples:
    """Chords, a melody with harmonics, and drums, 120 beats a minute."""
    beat = round(BEAT_S * WIDE_HZ)
    beats = [_beat(number, beat, rng) for number in range(-(-count // beat))]
    signal = np.concatenate([*beats, np.zeros(1)])[:count]
    return to_pcm(at_level(signal))


def babble(count: int, voices: Sequence[Samples], rng: np.random.Generator) -> Samples:
    """`VOICES` at once at equal levels, each a row of clips in an order of its own."""
    mixed = np.zeros(count)
    for _ in range(VOICES):
        order = rng.permutation(len(voices))
        row = repeat(np.concatenate([at_level(to_float(voices[n])) for n in order]), count)
        mixed += np.roll(row, int(rng.integers(count)))
    return to_pcm(at_level(mixed))


def clipped(samples: Samples) -> Samples:
    """Speech recorded far too loud: 20 dB over, cut off at half of full scale."""
    return to_pcm(np.clip(CLIPPED_GAIN * to_float(samples), -0.5, 0.5))


def reversed_speech(samples: Samples) -> Samples:
    """Speech played backwards."""
    return samples[::-1].copy()


def repeat(signal: Wave, count: int) -> Wave:
    """The signal again and again until there are ``count`` samples."""
    return np.resize(signal, count)


def at_level(signal: Signal) -> Wave:
    """The signal with `LEVEL` as its root mean square; silence stays silence."""
    rms = float(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))) if signal.size else 0.0
    return signal.astype(np.float64) * (LEVEL / rms if rms else 0.0)


def _beat(number: int, count: int, rng: np.random.Generator) -> Wave:
    """A chord below, two notes above, a drum: low on even beats, a snare on odd ones."""
    time_s = np.arange(count) / WIDE_HZ
    bar = number // 4 % len(ROOTS_HZ)
    root = ROOTS_HZ[bar]
    chord = sum(_tone(root / 2 * step, time_s, 4) for step in (MINOR if bar == 0 else MAJOR))
    half = count // 2
    notes = [
        _tone(2 * root * float(rng.choice(SCALE)), time_s[:length], 6)
        for length in (half, count - half)
    ]
    decay = np.exp(-time_s * 25)
    drum = np.sin(2 * np.pi * 60 * time_s) * 2 if number % 2 == 0 else rng.normal(size=count)
    beat: Wave = 0.3 * chord + np.concatenate(notes) + decay * drum
    return beat


def _tone(frequency_hz: float, time_s: Wave, harmonics: int) -> Wave:
    """A plucked note: harmonics that fall off and die away."""
    parts = [
        np.sin(2 * np.pi * frequency_hz * order * time_s) / order
        for order in range(1, harmonics + 1)
        if frequency_hz * order < WIDE_HZ / 2
    ]
    swell = 1 - np.exp(-time_s * 200)
    note: Wave = np.sum(parts, axis=0) * np.exp(-time_s * 4) * swell
    return note
