"""Batches depend on (seed, step) and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tools.train.align import Alignment
from tools.train.batches import Batch, Batches, loader, validation_batch
from tools.train.dataset import Dataset
from tools.train.recipe import Recipe
from tools.train.windows import WindowSampler


@pytest.fixture(scope="module")
def sampler(tone_data: Dataset) -> WindowSampler:
    """A letter in every fourth emission; the last clip is for validation."""
    path = np.where(np.arange(tone_data.emissions) % 4 == 0, 5, 0).astype(np.uint8)
    made = WindowSampler(tone_data, Alignment(path, np.zeros(4, np.float32), {}), 1.0)
    made.validation = made.training[-1:]
    return made


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_batch_is_what_its_number_says(sampler: WindowSampler) -> None:
    batches = Batches(sampler, Recipe(steps=9, batch=2))
    assert same(batches[4], batches[4])
    assert not same(batches[4], batches[5])
    assert not same(batches[4], Batches(sampler, Recipe(steps=9, batch=2, seed=2))[4])


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_give_the_batches_from_a_step_on(sampler: WindowSampler, workers: int) -> None:
    batches = Batches(sampler, Recipe(steps=5, batch=2))
    loaded = list(loader(batches, 2, workers, pinned=False))
    assert len(loaded) == 3
    for number, batch in enumerate(loaded, start=2):
        assert same(batch, batches[number])


def test_texts_and_frames_belong_together(sampler: WindowSampler) -> None:
    batch = Batches(sampler, Recipe(steps=1, batch=8))[0]
    assert batch.lengths.sum() == len(batch.tokens)
    emissions = batch.hidden.shape[2] // 4
    assert (batch.first + batch.frames <= emissions).all()
    assert (2 * batch.lengths <= batch.frames).all()  # a letter and a blank each at least


def test_validation_windows_are_plain_and_the_same(sampler: WindowSampler) -> None:
    first, second = (validation_batch(sampler, 3, 4) for _ in range(2))
    assert same(first, second)
    assert not first.hidden.any()
    assert (first.pcm == first.pcm.round()).all()
