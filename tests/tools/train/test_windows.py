"""Windows: sound and path stay together, segments begin and end where they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.train.align import Alignment
from tools.train.dataset import EMISSION_SAMPLES, Dataset, DatasetWriter
from tools.train.windows import (
    MARGIN_SAMPLES,
    SPACE,
    WindowSampler,
    collapsed,
    supervised,
    window_samples,
)

LETTER = 5


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> WindowSampler:
    """Clips in which emission e is loud, and says a letter, where e is odd."""
    folder = tmp_path_factory.mktemp("stripes")
    writer = DatasetWriter(folder)
    for emissions in (30, 55, 140):
        stripes = np.repeat(np.arange(emissions) % 2 * 1000, EMISSION_SAMPLES)
        writer.add(stripes.astype(np.int16), "stripes", "nobody", "x" * (emissions // 2))
    writer.close()
    data = Dataset.load(folder)
    path = np.concatenate([np.arange(c.emissions) % 2 * LETTER for c in data.clips])
    scores = np.zeros(3, np.float32)
    return WindowSampler(data, Alignment(path.astype(np.uint8), scores, {}), 1.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_letters_stand_where_the_sound_is(sampler: WindowSampler, seed: int) -> None:
    windows = sampler.batch(sampler.training, 4, np.random.default_rng(seed))
    emissions = windows.path.shape[1]
    assert windows.pcm.shape == (4, window_samples(emissions))
    middles = MARGIN_SAMPLES + np.arange(emissions) * EMISSION_SAMPLES + EMISSION_SAMPLES // 4
    np.testing.assert_array_equal(windows.pcm[:, middles] > 0, windows.path == LETTER)
    for row, (begin, end) in zip(windows.path, windows.span, strict=True):
        assert 0 <= begin <= end <= windows.pcm.shape[1]
        centres = np.arange(emissions) * EMISSION_SAMPLES + MARGIN_SAMPLES
        outside = (centres < begin - MARGIN_SAMPLES) | (centres >= end)
        assert not (row[outside] == LETTER).any()


def test_joined_clips_have_a_space_between_and_lone_ones_do_not(sampler: WindowSampler) -> None:
    windows = sampler.batch(sampler.training, 200, np.random.default_rng(7))
    joined = (windows.path == SPACE).any(1)
    cut = (windows.span[:, 0] > 0) & (windows.span[:, 1] < windows.pcm.shape[1])
    assert joined.any()
    assert cut.any()
    assert not (joined & cut).any()


def test_the_bundled_geometry() -> None:
    assert window_samples(104) == 66_800


def test_badly_aligned_clips_are_left_out(sampler: WindowSampler, tone_data: Dataset) -> None:
    scores = np.array([0.1, np.nan, 2.0, np.inf], np.float32)
    alignment = Alignment(np.zeros(tone_data.emissions, np.uint8), scores, {})
    believed = WindowSampler(tone_data, alignment, 1.0)
    assert believed.training == [tone_data.clips[0]]


def test_text_is_known_from_blank_to_blank() -> None:
    path = np.zeros(40, np.uint8)
    path[5:10] = 3
    path[20:22] = 4
    path[33:] = 6
    first, end = supervised(path)
    assert (first, end) == (10, 33)
    assert collapsed(path[first:end]).tolist() == [4]


def test_nothing_is_known_without_blanks() -> None:
    assert supervised(np.full(40, 3, np.uint8)) == (0, 0)


def test_repeats_count_once_unless_a_blank_is_between() -> None:
    assert collapsed(np.array([0, 3, 3, 0, 3, 4, 4, 0], np.uint8)).tolist() == [3, 3, 4]


def test_chunk_lengths_vary(sampler: WindowSampler, tmp_path: Path) -> None:
    sizes = {
        sampler.batch(sampler.training, 1, np.random.default_rng(seed)).path.shape[1]
        for seed in range(40)
    }
    assert sizes == {92, 96, 104}
