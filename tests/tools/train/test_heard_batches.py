"""Batches of computed outputs: their shape, their order, and that layers learn from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tools.train.conftest import SPEC, small_model
from tools.train.heard_batches import HeardBatches
from tools.train.outputs import HeardSegment, Outputs
from tools.train.recipe import Recipe
from tools.train.trainer import Trainer

RECIPE = Recipe(steps=6, batch=8, head_warm_up_steps=1, warm_up_steps=1, frozen_layers=1)
WIDTH = 32


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    """Of segments of one to four seconds."""
    rng = np.random.default_rng(4)
    lengths = rng.integers(42, 168, 40)
    frames = torch.from_numpy(rng.standard_normal((int(lengths.sum()), WIDTH), np.float32))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    segments = [
        HeardSegment(int(start), int(length), "abc"[: 1 + number % 3])
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]
    as_int16 = frames.to(torch.bfloat16).view(torch.int16).numpy()
    return Outputs(tuple(segments), as_int16, {"layers": 1, "width": WIDTH})


def test_a_batch_holds_what_it_says(outputs: Outputs) -> None:
    for step in range(RECIPE.steps):
        batch = HeardBatches(outputs, SPEC, RECIPE)[step]
        segments, longest, width = batch.inputs.shape
        assert width == WIDTH
        assert longest % 20 == 0
        assert torch.equal(batch.heard.sum(1), batch.frames)
        assert segments == len(batch.lengths)
        assert int(batch.lengths.sum()) == len(batch.tokens)
        assert segments * longest * 0.024 <= 2 * RECIPE.batch
        for row, count in zip(batch.inputs, batch.frames, strict=True):
            assert not row[count:].any()
            assert row[:count].any()


def test_a_batch_follows_from_seed_and_step(outputs: Outputs) -> None:
    batches, again = (HeardBatches(outputs, SPEC, RECIPE) for _ in range(2))
    other = HeardBatches(outputs, SPEC, replace(RECIPE, seed=2))
    assert torch.equal(batches[3].inputs, again[3].inputs)
    assert [len(batch.frames) for batch in batches.since(4)] == [
        len(batches[step].frames) for step in (4, 5)
    ]
    firsts = [(tuple(batches[step].frames), tuple(other[step].frames)) for step in range(4)]
    assert any(own != theirs for own, theirs in firsts)


def test_what_is_above_learns(outputs: Outputs) -> None:
    trainer = Trainer(small_model(), RECIPE, torch.device("cpu"), {"runs": []}, bfloat16=False)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    batches = HeardBatches(outputs, SPEC, RECIPE)
    losses = [trainer.advance(batches[0]).loss for _ in range(6)]
    assert losses[-1] < losses[0]
    moved = {
        name for name, v in trainer.model.state_dict().items() if not torch.equal(v, before[name])
    }
    assert moved
    assert all(
        name.startswith(("encoder.layers.1.", "encoder.layer_norm", "head")) for name in moved
    )
