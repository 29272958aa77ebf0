"""Training steps: the loss falls, frozen parts stay, resuming changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tools.train.conftest import SPEC, small_model
from tools.train.batches import Batch, Batches, batch_of, right_frames
from tools.train.dataset import Dataset
from tools.train.evaluate import segment_log_probs
from tools.train.recipe import Recipe, RecipeError
from tools.train.segments import Segment, SegmentSampler
from tools.train.trainer import Trainer, load_checkpoint

CPU = torch.device("cpu")
RECIPE = Recipe(
    steps=8,
    batch=8,
    warm_up_steps=1,
    head_warm_up_steps=1,
    whole_steps=0,
    encoder_rate=1e-3,
    head_rate=1e-2,
    worst_loss=1e9,
)


def engines(*segments: Segment) -> Batch:
    """In the engine's windows."""
    return batch_of(segments, SPEC, SPEC.left_frames, SPEC.chunk_frames, right_frames(SPEC))


@pytest.fixture(scope="module")
def batches(tone_data: Dataset) -> Batches:
    return Batches(SegmentSampler(tone_data), SPEC, RECIPE)


def trainer_of(recipe: Recipe = RECIPE, **about: Any) -> Trainer:
    return Trainer(small_model(), recipe, CPU, {"runs": [], **about}, bfloat16=False)


def test_the_loss_falls(batches: Batches) -> None:
    batch = batches[0]
    trainer = trainer_of()
    losses = [trainer.advance(batch).loss for _ in range(6)]
    assert losses[-1] < 0.8 * losses[0]


def test_resuming_gives_the_same_weights(batches: Batches, tmp_path: Path) -> None:
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


def test_frozen_layers_stay(batches: Batches) -> None:
    recipe = replace(RECIPE, frozen_layers=1)
    trainer = trainer_of(recipe)
    before = small_model().state_dict()
    trainer.advance(batches[0])
    moved = {
        name for name, v in trainer.model.state_dict().items() if not torch.equal(v, before[name])
    }
    assert not any(name.startswith(("encoder.conv", "encoder.layers.0.")) for name in moved)
    assert "encoder.layers.1.mlp.fc1.weight" in moved
    assert "head.weight" in moved


def test_a_frozen_encoder_stays_whole(batches: Batches) -> None:
    trainer = trainer_of(replace(RECIPE, frozen_layers=2))
    before = small_model().state_dict()
    trainer.advance(batches[0])
    after = trainer.model.state_dict()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved
    assert all(name.startswith("head.") for name in moved)


def test_the_loss_is_that_of_the_engines_log_probabilities(tone_data: Dataset) -> None:
    """CTC of what the engine would decode, whatever else is in the batch."""
    model = small_model().eval()
    segments = [SegmentSampler(tone_data).plain(clip) for clip in tone_data.clips[:2]]
    total = 0.0
    for segment in segments:
        log_probs = segment_log_probs(SPEC, model, CPU, segment.samples.astype("int16"))
        tokens = torch.tensor([[SPEC.vocabulary.index(letter) for letter in segment.text]])
        total += float(
            torch.nn.functional.ctc_loss(
                torch.from_numpy(log_probs)[:, None],
                tokens,
                torch.tensor([len(log_probs)]),
                torch.tensor([len(segment.text)]),
                reduction="sum",
            )
        )
    letters = sum(len(segment.text) for segment in segments)
    own = trainer_of().validate([engines(*segments)])
    assert own == pytest.approx(total / letters, rel=1e-4)


def test_wrong_transcripts_are_left_out(tone_data: Dataset) -> None:
    right = SegmentSampler(tone_data).plain(tone_data.clips[0])
    wrong = Segment(right.samples, "z z" * len(right.text))
    trainer = trainer_of()
    each = [trainer.validate([engines(one)]) for one in (right, wrong)]
    assert each[0] != pytest.approx(each[1], rel=0.1)
    between = replace(RECIPE, worst_loss=sum(each) / 2)
    filtering = trainer_of(between)
    loss = filtering.advance(engines(right, wrong)).loss
    assert loss == pytest.approx(min(each), rel=1e-4)


def test_the_average_lags_behind(batches: Batches) -> None:
    trainer = trainer_of()
    before = trainer.average["head.weight"].clone()
    trainer.advance(batches[0])
    own = trainer.model.state_dict()["head.weight"] - before
    behind = trainer.average["head.weight"] - before
    assert 0 < behind.norm() < own.norm()


def test_validation_leaves_the_weights_alone(batches: Batches) -> None:
    trainer = trainer_of()
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
    first = Trainer(small_model(), RECIPE, CPU, {"runs": ["first"]})
    first.save(tmp_path / "checkpoint.pt")
    second = Trainer(small_model(), RECIPE, CPU, {"runs": ["second"]})
    second.resume(tmp_path / "checkpoint.pt")
    assert second.about["runs"] == ["first", "second"]


def test_another_file_is_not_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"no checkpoint")
    with pytest.raises(RecipeError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "x.pt")
