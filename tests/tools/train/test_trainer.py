"""Training steps: the loss falls, frozen parts stay, resuming changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.whisper_ctc import WhisperCtc
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tools.train.align import Alignment, align
from tools.train.batches import Batches
from tools.train.dataset import Dataset
from tools.train.recipe import Recipe, RecipeError
from tools.train.trainer import Trainer, load_checkpoint
from tools.train.windows import WindowSampler

CPU = torch.device("cpu")
RECIPE = Recipe(
    steps=8, batch=2, warm_up_steps=1, encoder_rate=2e-4, head_rate=1e-3, worst_score=1e9
)


def fresh_model() -> WhisperCtc:
    model = load_model(ModelSpec.load(BUNDLED_MODEL), CPU)
    assert isinstance(model, WhisperCtc)
    return model


@pytest.fixture(scope="module")
def sampler(tone_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> WindowSampler:
    folder = tmp_path_factory.mktemp("targets")
    spec = ModelSpec.load(BUNDLED_MODEL)
    align(fresh_model(), spec.vocabulary, tone_data, folder, CPU)
    return WindowSampler(tone_data, Alignment.load(folder, tone_data), RECIPE.worst_score)


def trainer_of(recipe: Recipe = RECIPE, **about: Any) -> Trainer:
    return Trainer(fresh_model(), recipe, CPU, {"runs": [], **about})


def test_the_loss_falls(sampler: WindowSampler) -> None:
    batch = Batches(sampler, RECIPE)[0]
    trainer = trainer_of()
    losses = [trainer.advance(batch).loss for _ in range(6)]
    assert losses[-1] < 0.8 * losses[0]


def test_resuming_gives_the_same_weights(sampler: WindowSampler, tmp_path: Path) -> None:
    batches = Batches(sampler, RECIPE)
    whole = trainer_of()
    for step in range(4):
        whole.advance(batches[step])
    first = trainer_of()
    for step in range(2):
        first.advance(batches[step])
    first.save(tmp_path / "checkpoint.pt")
    second = trainer_of()
    second.resume(tmp_path / "checkpoint.pt")
    assert second.step == 2
    for step in range(2, 4):
        second.advance(batches[step])
    for own, other in (
        (whole.model.state_dict(), second.model.state_dict()),
        (whole.average, second.average),
    ):
        assert all(torch.equal(own[name], other[name]) for name in own)


def test_frozen_layers_stay(sampler: WindowSampler) -> None:
    recipe = Recipe(steps=8, batch=2, warm_up_steps=1, frozen_layers=2)
    trainer = trainer_of(recipe)
    before = fresh_model().state_dict()
    trainer.advance(Batches(sampler, RECIPE)[0])
    moved = {
        name for name, v in trainer.model.state_dict().items() if not torch.equal(v, before[name])
    }
    assert not any(name.startswith(("encoder.c1", "encoder.layers.1.")) for name in moved)
    assert "encoder.layers.2.qkv.weight" in moved
    assert "head.inp.weight" in moved


def test_the_average_lags_behind(sampler: WindowSampler) -> None:
    trainer = trainer_of()
    before = trainer.average["head.out.weight"].clone()
    trainer.advance(Batches(sampler, RECIPE)[0])
    own = trainer.model.state_dict()["head.out.weight"] - before
    behind = trainer.average["head.out.weight"] - before
    assert 0 < behind.norm() < own.norm()


def test_validation_leaves_the_weights_alone(sampler: WindowSampler) -> None:
    trainer = trainer_of()
    batches = Batches(sampler, RECIPE)
    trainer.advance(batches[0])
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    assert trainer.validate([batches[1]]) > 0
    after = trainer.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_another_runs_checkpoint_is_refused(tmp_path: Path) -> None:
    trainer_of(data="a").save(tmp_path / "checkpoint.pt")
    with pytest.raises(RecipeError, match="other data"):
        trainer_of(data="b").resume(tmp_path / "checkpoint.pt")
    with pytest.raises(RecipeError, match="batch"):
        trainer_of(Recipe(batch=3), data="a").resume(tmp_path / "checkpoint.pt")


def test_checkpoints_keep_every_run(tmp_path: Path) -> None:
    first = Trainer(fresh_model(), RECIPE, CPU, {"runs": ["first"]})
    first.save(tmp_path / "checkpoint.pt")
    second = Trainer(fresh_model(), RECIPE, CPU, {"runs": ["second"]})
    second.resume(tmp_path / "checkpoint.pt")
    assert second.about["runs"] == ["first", "second"]


def test_another_file_is_not_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"no checkpoint")
    with pytest.raises(RecipeError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "x.pt")
