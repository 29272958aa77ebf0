"""Batches depend on (seed, step) and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tools.train.conftest import SPEC
from tools.train.batches import (
    CHUNK_FRAMES,
    LEAST_LEFT_FRAMES,
    MORE_RIGHT_FRAMES,
    Batch,
    Batches,
    batch_of,
    loader,
    right_frames,
)
from tools.train.dataset import Dataset
from tools.train.recipe import Recipe, RecipeError
from tools.train.segments import Segment, SegmentSampler


@pytest.fixture(scope="module")
def sampler(tone_data: Dataset) -> SegmentSampler:
    return SegmentSampler(tone_data)


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_batch_is_what_its_number_says(sampler: SegmentSampler) -> None:
    batches = Batches(sampler, SPEC, Recipe(steps=9, batch=20))
    assert same(batches[4], batches[4])
    assert not same(batches[4], batches[5])
    other = Batches(sampler, SPEC, Recipe(steps=9, batch=20, seed=2))
    assert not same(batches[4], other[4])


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_give_the_batches_from_a_step_on(sampler: SegmentSampler, workers: int) -> None:
    batches = Batches(sampler, SPEC, Recipe(steps=5, batch=20))
    loaded = list(loader(batches, 2, workers, pinned=False))
    assert len(loaded) == 3
    for number, batch in enumerate(loaded, start=2):
        assert same(batch, batches[number])


def test_windows_texts_and_frames_belong_together(sampler: SegmentSampler) -> None:
    batches = Batches(sampler, SPEC, Recipe(steps=40, batch=20, whole_steps=0))
    chunks, lefts, rights = set(), set(), set()
    for step in range(40):
        batch = batches[step]
        left, chunk = batch.geometry.tolist()
        assert batch.lengths.sum() == len(batch.tokens)
        assert batch.windows.sum() == len(batch.pcm) == len(batch.span)
        assert len(batch.pcm) * batch.pcm.shape[1] < 53 * 16_000 or len(batch.windows) == 1
        spare = batch.windows - -(-batch.frames // chunk)
        assert ((spare == 0) | (spare == 1)).all()  # a last window may hold less than a hop
        assert (batch.tokens > 0).all()
        if left:
            assert LEAST_LEFT_FRAMES <= left <= SPEC.left_frames
            beside = SPEC.margin_samples + SPEC.right_samples % SPEC.frame_samples
            right = (batch.pcm.shape[1] - beside) // SPEC.frame_samples - left - chunk
            assert 0 <= right - right_frames(SPEC) <= MORE_RIGHT_FRAMES
            chunks.add(chunk)
            lefts.add(left)
            rights.add(right)
        else:
            assert chunk == 1 + batch.frames.max()
            assert (batch.windows == 1).all()
    assert chunks == set(CHUNK_FRAMES)
    assert len(lefts) > 10
    assert len(rights) == MORE_RIGHT_FRAMES + 1


def test_windows_reach_as_far_back_as_the_model_directory_says(sampler: SegmentSampler) -> None:
    further = replace(SPEC, left_frames=SPEC.left_frames + 400)
    batches = Batches(sampler, further, Recipe(steps=10, batch=20, whole_steps=0))
    assert max(int(batches[step].geometry[0]) for step in range(10)) > SPEC.left_frames


def test_windows_that_are_too_short_are_refused(sampler: SegmentSampler) -> None:
    shorter = replace(SPEC, left_frames=LEAST_LEFT_FRAMES - 1)
    with pytest.raises(RecipeError, match=r"left_frames must be at least 60 .*, not 59"):
        Batches(sampler, shorter, Recipe())


def test_the_first_steps_see_whole_segments(sampler: SegmentSampler) -> None:
    batches = Batches(sampler, SPEC, Recipe(steps=20, batch=20, whole_steps=10))
    assert all(batches[step].geometry[0] == 0 for step in range(10))
    assert any(batches[step].geometry[0] > 0 for step in range(10, 20))


def test_tokens_spell_the_text() -> None:
    segments = [
        Segment(np.ones(12_000, np.float32), "it's"),
        Segment(np.ones(600, np.float32), "a b"),
    ]
    batch = batch_of(segments, SPEC, 20, 8, 3)
    assert "".join(SPEC.vocabulary[token] for token in batch.tokens) == "it'sa b"
    assert batch.lengths.tolist() == [4, 3]
    assert batch.windows.tolist() == [4, 1]
    assert batch.frames.tolist() == [32, 2]
    assert batch.geometry.tolist() == [20, 8]


def test_the_engines_geometry_gives_the_engines_windows() -> None:
    segment = Segment(np.ones(12_000, np.float32), "a")
    geometry = (SPEC.left_frames, SPEC.chunk_frames, right_frames(SPEC))
    batch = batch_of([segment], SPEC, *geometry)
    assert batch.pcm.shape == (2, SPEC.window_samples)
    assert batch.span.tolist() == [
        [SPEC.left_samples, SPEC.left_samples + 12_000],
        [SPEC.left_samples - SPEC.chunk_samples, SPEC.left_samples - SPEC.chunk_samples + 12_000],
    ]
