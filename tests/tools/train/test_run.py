"""The loop: checkpoints, log, time budget, resuming."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from tests.tools.train.conftest import SPEC
from tools.train.batches import Batch, Batches, Lesson, loader
from tools.train.dataset import Dataset
from tools.train.recipe import Recipe
from tools.train.run import CHECKPOINT_FILE, LOG_FILE, Pace, run, validation_batches
from tools.train.segments import SegmentSampler
from tools.train.trainer import Trainer


class Small(nn.Module):
    """Stands where the network stands; the loss below does not look at it closely."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2)


class SmallTrainer(Trainer):
    """A trainer whose loss is quick and follows from the batch."""

    def _loss(self, batch: Lesson, worst: float) -> torch.Tensor:
        assert isinstance(batch, Batch)
        model = cast(Small, self.model)
        level = batch.pcm.abs().mean() / 1000
        return (model.head(model.encoder(torch.ones(2) * level)) ** 2).sum()


@pytest.fixture(scope="module")
def sampler(tone_data: Dataset) -> SegmentSampler:
    made = SegmentSampler(tone_data)
    made.validation = made.training[-1:]
    return made


def trainer_of(steps: int) -> SmallTrainer:
    torch.manual_seed(0)
    recipe = Recipe(steps=steps, batch=1, decay_share=0)
    return SmallTrainer(cast(MoonshineCtc, Small()), recipe, torch.device("cpu"), {"runs": []})


def ran(trainer: Trainer, sampler: SegmentSampler, output: Path, pace: Pace) -> None:
    """On windows of the sampler's clips."""
    batches = Batches(sampler, SPEC, trainer.recipe)
    of_audio = partial(loader, batches, workers=0, pinned=False)
    run(trainer, of_audio, validation_batches(sampler, SPEC), output, pace)


def test_it_runs_to_the_end_and_logs(sampler: SegmentSampler, tmp_path: Path) -> None:
    trainer = trainer_of(5)
    ran(trainer, sampler, tmp_path, Pace(save_every=2, keep_every=4))
    lines = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5]
    assert all(line["validation_loss"] > 0 for line in lines)
    assert {path.name for path in tmp_path.glob("*.pt")} == {CHECKPOINT_FILE, "step-000004.pt"}


def test_a_time_budget_ends_at_a_checkpoint_and_resuming_changes_nothing(
    sampler: SegmentSampler, tmp_path: Path
) -> None:
    whole = trainer_of(6)
    ran(whole, sampler, tmp_path / "whole", Pace())
    for expected_step in (2, 4, 6):
        piece = trainer_of(6)
        ran(piece, sampler, tmp_path / "pieces", Pace(0.0, save_every=2))
        assert piece.step == expected_step
    own, other = whole.model.state_dict(), piece.model.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in own)


def test_a_finished_run_is_left_alone(sampler: SegmentSampler, tmp_path: Path) -> None:
    ran(trainer_of(2), sampler, tmp_path, Pace())
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    ran(trainer_of(2), sampler, tmp_path, Pace())
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before
