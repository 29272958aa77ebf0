"""What lines, rooms and microphones do to speech, without moving it in time.

All on one segment of float32 samples at 16 kHz, in place of which a new one is returned. Each
effect has a share of the segments; several can meet. Linear effects are applied in the frequency
domain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
_RATE_HZ: Final = 16_000
_FULL_SCALE: Final = 32768.0


def augmented(pcm: Samples, babble: Callable[[], Samples], rng: np.random.Generator) -> Samples:
    """One segment, (n,) in -32768..32767, through a random choice of effects.

    ``babble`` gives (m, n) other segments, which are asked for where they are needed.
    """
    for share, effect in _EFFECTS:
        if rng.random() < share:
            pcm = effect(pcm, rng)
    if rng.random() < 0.25:
        pcm = with_noise(pcm, babble, rng)
    if rng.random() < 0.4:
        pcm = telephone(pcm, rng)
    gain = 10 ** (rng.uniform(-20, 6) / 20)
    return np.clip(pcm * gain, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.float32)


def telephone(pcm: Samples, rng: np.random.Generator) -> Samples:
    """A telephone line: its band, and half the time its coding."""
    high_hz = rng.uniform(3300, 4000)
    low_hz = rng.uniform(150, 350) if rng.random() < 0.5 else 0.0
    pcm = band_limited(pcm, low_hz, high_hz)
    coding = rng.random()
    if coding < 0.25:
        return mu_law(pcm)
    return coarse(pcm, rng) if coding < 0.5 else pcm


def band_limited(pcm: Samples, low_hz: float, high_hz: float) -> Samples:
    """Only the band stays, with slopes of 100 Hz."""
    size = _smooth(len(pcm))
    hz = np.fft.rfftfreq(size, 1 / _RATE_HZ)
    gain = np.clip((high_hz - hz) / 100 + 1, 0.0, 1.0)
    if low_hz:
        gain *= np.clip((hz - low_hz) / 100 + 1, 0.0, 1.0)
    filtered: Samples = np.fft.irfft(np.fft.rfft(pcm, size) * gain, size).astype(np.float32)
    return filtered[: len(pcm)]


def _smooth(length: int) -> int:
    """A length from ``length`` on whose Fourier transform is quick, with room for a filter."""
    return -(-(length + 400) // 4096) * 4096


def mu_law(pcm: Samples) -> Samples:
    """Quantised to the 8 bits of G.711's mu-law, by its continuous formula."""
    loud = np.log1p(255 * np.abs(pcm) / _FULL_SCALE) / np.log(256)
    steps = np.rint(loud * 127) / 127
    sizes = np.expm1(steps * np.log(256)) / 255 * _FULL_SCALE
    quantised: Samples = (np.sign(pcm) * sizes).astype(np.float32)
    return quantised


def coarse(pcm: Samples, rng: np.random.Generator) -> Samples:
    """Like a low-rate codec: noise that follows the speech's level, 12 to 25 dB below it."""
    frame = 80
    blocks = np.square(pcm[: len(pcm) // frame * frame].reshape(-1, frame)).mean(1)
    level = np.sqrt(np.convolve(blocks, np.ones(3) / 3, "same")).repeat(frame)
    level = np.pad(level, (0, len(pcm) - len(level)), "edge")
    noise = rng.standard_normal(len(pcm), np.float32) * level
    heard: Samples = (pcm + noise * 10 ** (-rng.uniform(12, 25) / 20)).astype(np.float32)
    return heard


def low_passed(pcm: Samples, rng: np.random.Generator) -> Samples:
    """What lossy codecs leave out: everything above 5 to 8 kHz."""
    return band_limited(pcm, 0.0, rng.uniform(5000, 8000))


def in_room(pcm: Samples, rng: np.random.Generator) -> Samples:
    """A room: the direct sound, then noise that decays by 60 dB in 0.1 to 0.5 s."""
    decay_s = rng.uniform(0.1, 0.5)
    seconds = np.arange(int(_RATE_HZ * decay_s)) / _RATE_HZ
    tail = rng.standard_normal(len(seconds)) * 10 ** (-3 * seconds / decay_s)
    tail *= 10 ** (-rng.uniform(3, 15) / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    size = _smooth(len(pcm) + len(tail))
    wet = np.fft.irfft(np.fft.rfft(pcm, size) * np.fft.rfft(tail, size), size)
    heard: Samples = wet[: len(pcm)].astype(np.float32)
    return heard


def with_noise(pcm: Samples, babble: Callable[[], Samples], rng: np.random.Generator) -> Samples:
    """White, pink or brownish noise, or babble of other segments, 5 to 30 dB below the speech."""
    if rng.random() < 0.3:
        noise = babble().sum(0)
        noise = np.roll(noise, rng.integers(len(noise)))
    else:
        size = _smooth(len(pcm))
        spectrum = np.fft.rfft(rng.standard_normal(size, np.float32))
        slope = rng.choice([0.0, 0.5, 0.8])
        colour = np.maximum(np.arange(len(spectrum)), 40) ** -slope
        noise = np.fft.irfft(spectrum * colour, size)[: len(pcm)]
    power = np.square(noise).mean()
    if power == 0:
        return pcm
    level = np.sqrt(np.square(pcm).mean() / power) * 10 ** (-rng.uniform(8, 30) / 20)
    heard: Samples = (pcm + noise * level).astype(np.float32)
    return heard


def with_gap(pcm: Samples, rng: np.random.Generator) -> Samples:
    """A stretch of up to 200 ms is lost. This and the next are SpecAugment's (Park et al., 2019)
    masks, on the signal, so that all windows of a segment agree about them."""
    width = int(rng.integers(_RATE_HZ // 5))
    start = int(rng.integers(len(pcm)))
    heard = pcm.copy()
    heard[start : start + width] = 0
    return heard


def without_band(pcm: Samples, rng: np.random.Generator) -> Samples:
    """A band of up to a third of an octave, somewhere from 150 Hz to 6 kHz, is lost."""
    low_hz = 150 * 40 ** rng.random()
    high_hz = low_hz * 2 ** (rng.random() / 3)
    size = _smooth(len(pcm))
    spectrum = np.fft.rfft(pcm, size)
    hz = np.fft.rfftfreq(size, 1 / _RATE_HZ)
    spectrum[(hz >= low_hz) & (hz < high_hz)] = 0
    heard: Samples = np.fft.irfft(spectrum, size).astype(np.float32)
    return heard[: len(pcm)]


_EFFECTS: Final[tuple[tuple[float, Callable[[Samples, np.random.Generator], Samples]], ...]] = (
    (0.1, in_room),
    (0.3, low_passed),
    (0.1, with_gap),
    (0.2, without_band),
)
