"""Segments: clips with their texts, alone or two together."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tools.train.conftest import TEXTS
from tools.train.dataset import Dataset
from tools.train.segments import SegmentSampler


@pytest.fixture(scope="module")
def sampler(tone_data: Dataset) -> SegmentSampler:
    return SegmentSampler(tone_data)


def test_texts_are_those_of_the_clips(sampler: SegmentSampler) -> None:
    pairs = {f"{first} {second}" for first in TEXTS for second in TEXTS}
    drawn = [sampler.drawn(np.random.default_rng(seed)) for seed in range(60)]
    alone = [segment for segment in drawn if segment.text in TEXTS]
    together = [segment for segment in drawn if segment.text in pairs]
    assert len(alone) + len(together) == 60
    assert 4 <= len(together) <= 24
    assert {segment.text for segment in alone} == set(TEXTS)


def test_two_clips_are_as_long_as_both(sampler: SegmentSampler) -> None:
    seconds = {clip.text: clip.samples / 16_000 for clip in sampler.training}
    for seed in range(40):
        segment = sampler.drawn(np.random.default_rng(seed))
        speech_s = sum(s for text, s in seconds.items() if segment.text.startswith(text))
        speech_s += sum(s for text, s in seconds.items() if segment.text.endswith(" " + text))
        added_s = len(segment.samples) / 16_000 - speech_s
        assert -0.13 * speech_s <= added_s <= 1.6 + 0.14 * speech_s  # also at other speeds


def test_the_generator_decides_everything(sampler: SegmentSampler) -> None:
    first, second = (sampler.drawn(np.random.default_rng(5)) for _ in range(2))
    assert first.text == second.text
    np.testing.assert_array_equal(first.samples, second.samples)


def test_a_plain_clip_is_as_it_was(sampler: SegmentSampler, tone_data: Dataset) -> None:
    segment = sampler.plain(tone_data.clips[1])
    assert segment.text == TEXTS[1]
    assert segment.samples.dtype == np.float32
    np.testing.assert_array_equal(segment.samples, tone_data.audio(tone_data.clips[1]))


def test_one_like_another_is_as_long(sampler: SegmentSampler) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        first = sampler.drawn(rng)
        other = sampler.drawn(rng, like=first)
        assert other.clips == first.clips
        assert 0.5 < len(other.samples) / len(first.samples) < 2
