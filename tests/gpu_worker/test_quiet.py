"""The quiet detector over tones, hiss and silence."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_worker.quiet import HOP_MS, SMOOTHED_HOPS, QuietDetector

RATE_HZ = 16_000
HOP = RATE_HZ * HOP_MS // 1000
ENOUGH = 50
Audio = NDArray[np.int16]


def tone(ms: int, amplitude: float, hz: float = 300.0) -> Audio:
    time_s = np.arange(ms * RATE_HZ // 1000) / RATE_HZ
    return np.rint(amplitude * np.sin(2 * np.pi * hz * time_s)).astype(np.int16)


def hiss(ms: int, rms: float, seed: int = 0) -> Audio:
    values = np.random.default_rng(seed).normal(0, rms, ms * RATE_HZ // 1000)
    return np.rint(values).astype(np.int16)


def silence(ms: int) -> Audio:
    return np.zeros(ms * RATE_HZ // 1000, np.int16)


def fired(audio: Audio, cuts: list[int] | None = None, enough: int = ENOUGH) -> list[int]:
    """Where in the audio it has just been quiet for long enough, in ms; cut after ``cuts`` hops."""
    detector = QuietDetector(RATE_HZ)
    hops = audio.shape[0] // HOP
    found = []
    for edge in [*sorted(cut for cut in cuts or [] if cut < hops), hops]:
        while detector.heard < edge * HOP:
            if detector.listen(audio[detector.heard : edge * HOP], enough):
                found.append(detector.heard * 1000 // RATE_HZ)
    return found


def test_it_is_quiet_for_long_enough_after_a_tone() -> None:
    audio = np.concatenate([hiss(300, 10), tone(500, 8000) + hiss(500, 10), hiss(900, 10)])
    (at,) = fired(audio)
    least = 800 + ENOUGH * HOP_MS
    assert least <= at <= least + SMOOTHED_HOPS * HOP_MS


def test_a_shorter_gap_is_none() -> None:
    gap = silence((ENOUGH - 5) * HOP_MS)
    assert fired(np.concatenate([tone(300, 8000), gap, tone(300, 8000)])) == []


def test_each_stretch_of_quiet_is_told_once() -> None:
    audio = np.concatenate([tone(300, 8000), silence(2_000), tone(300, 8000), silence(2_000)])
    first, second = fired(audio)
    assert second - first == pytest.approx(2_300, abs=HOP_MS)


@pytest.mark.parametrize("rms", [10, 300, 3_000])
def test_steady_noise_alone_is_never_quiet(rms: int) -> None:
    assert fired(hiss(10_000, rms)) == []


def test_nothing_is_quiet_that_was_never_audible() -> None:
    assert fired(silence(5_000)) == []
    assert fired(np.concatenate([tone(300, 20), silence(2_000)])) == []


def test_noise_far_below_the_speech_is_quiet_at_any_level() -> None:
    audio = np.concatenate([hiss(300, 100), tone(500, 12_000, 2_000), hiss(900, 100, seed=1)])
    assert len(fired(audio)) == 1


def test_noise_near_the_speech_is_left_to_the_model() -> None:
    speech = tone(500, 1_000, 2_000)
    audio = np.concatenate([hiss(300, 900), speech + hiss(500, 900), hiss(2_000, 900, seed=1)])
    assert fired(audio) == []


def test_a_hum_does_not_cover_the_quiet() -> None:
    """50 Hz at the level of the speech: the difference of neighbours takes 20 dB of it."""
    speech = np.concatenate([silence(300), tone(500, 4_000, 2_000), silence(900)])
    assert len(fired(speech + tone(1_700, 2_000, 50.0))) == 1


def test_what_is_enough_may_change_and_quiet_goes_on_counting() -> None:
    detector = QuietDetector(RATE_HZ)
    audio = np.concatenate([tone(300, 8000), silence(1_000)])
    assert detector.listen(audio, 20)
    since, heard = detector.since, detector.heard
    assert heard - since == 20 * HOP
    assert detector.listen(audio[heard:], 40)
    assert (detector.since, detector.heard) == (since, since + 40 * HOP)


def test_a_reset_forgets_the_segment() -> None:
    used, fresh = QuietDetector(RATE_HZ), QuietDetector(RATE_HZ)
    used.listen(tone(300, 20_000), ENOUGH)
    used.reset()
    audio = np.concatenate([tone(300, 500), silence(1_000)])
    assert used.listen(audio, ENOUGH) == fresh.listen(audio, ENOUGH) is True
    assert (used.heard, used.since) == (fresh.heard, fresh.since)


def test_the_loudest_samples_do_not_overflow() -> None:
    square = np.resize(np.array([32767, -32768], np.int16), RATE_HZ)
    assert len(fired(np.concatenate([square, silence(1_000)]))) == 1


@given(
    parts=st.lists(
        st.tuples(
            st.one_of(st.integers(1, 5), st.integers(1, 40)),
            st.sampled_from([0, 3, 40, 700, 9_000]),
        ),
        min_size=1,
    ),
    cuts=st.lists(st.one_of(st.integers(1, 8), st.integers(0, 300))),
    enough=st.integers(1, 30),
)
@example(parts=[(3, 0), (10, 40), (30, 700), (80, 40)], cuts=[1, 2], enough=30)
def test_any_split_tells_the_same(
    parts: list[tuple[int, int]], cuts: list[int], enough: int
) -> None:
    noises = [hiss(hops * HOP_MS, rms, seed) for seed, (hops, rms) in enumerate(parts)]
    audio = np.concatenate(noises)
    assert fired(audio, cuts, enough) == fired(audio, [], enough)


@given(st.lists(st.integers(0, 2_000), min_size=2, unique=True).map(sorted))
def test_no_hop_at_all_changes_nothing(edges: list[int]) -> None:
    detector = QuietDetector(RATE_HZ)
    for begin, end in pairwise(edges):
        heard = detector.heard
        assert not detector.listen(hiss((end - begin) // 200 * HOP_MS, 100, begin), 10_000)
        assert detector.heard == heard + (end - begin) // 200 * HOP
