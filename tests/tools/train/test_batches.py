"""Batches depend on (seed, step) and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tools.train.batches import CHUNK_EMISSIONS, Batch, Batches, batch_of, loader
from tools.train.dataset import Dataset
from tools.train.recipe import Recipe
from tools.train.segments import Segment, SegmentSampler

VOCABULARY = ModelSpec.load(BUNDLED_MODEL).vocabulary


@pytest.fixture(scope="module")
def sampler(tone_data: Dataset) -> SegmentSampler:
    return SegmentSampler(tone_data)


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_batch_is_what_its_number_says(sampler: SegmentSampler) -> None:
    batches = Batches(sampler, VOCABULARY, Recipe(steps=9, batch=20))
    assert same(batches[4], batches[4])
    assert not same(batches[4], batches[5])
    other = Batches(sampler, VOCABULARY, Recipe(steps=9, batch=20, seed=2))
    assert not same(batches[4], other[4])


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_give_the_batches_from_a_step_on(sampler: SegmentSampler, workers: int) -> None:
    batches = Batches(sampler, VOCABULARY, Recipe(steps=5, batch=20))
    loaded = list(loader(batches, 2, workers, pinned=False))
    assert len(loaded) == 3
    for number, batch in enumerate(loaded, start=2):
        assert same(batch, batches[number])


def test_windows_texts_and_frames_belong_together(sampler: SegmentSampler) -> None:
    batches = Batches(sampler, VOCABULARY, Recipe(steps=30, batch=30))
    chunks = set()
    for step in range(30):
        batch = batches[step]
        chunks.add(batch.chunk)
        assert batch.lengths.sum() == len(batch.tokens)
        assert batch.windows.sum() == len(batch.pcm) == len(batch.span)
        assert len(batch.pcm) <= 30 or len(batch.windows) == 1
        spare = batch.windows - -(-batch.frames // batch.chunk)
        assert ((spare == 0) | (spare == 1)).all()  # a last window may hold less than a hop
        assert (batch.tokens > 0).all()
    assert chunks == set(CHUNK_EMISSIONS)


def test_tokens_spell_the_text() -> None:
    segments = [
        Segment(np.ones(12_000, np.float32), "it's"),
        Segment(np.ones(600, np.float32), "a b"),
    ]
    batch = batch_of(segments, VOCABULARY, 8)
    assert "".join(VOCABULARY[token] for token in batch.tokens) == "it'sa b"
    assert batch.lengths.tolist() == [4, 3]
    assert batch.windows.tolist() == [3, 1]
    assert batch.frames.tolist() == [19, 1]
    assert batch.chunk == 8
