"""The mean of checkpoints is what it says, of networks that are alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from tests.tools.train.conftest import SMALL, SPEC, small_model
from tools.train.averaging import averaged
from tools.train.cli import main
from tools.train.dataset import sha256_of
from tools.train.recipe import RecipeError
from tools.train.trainer import load_checkpoint, save_checkpoint


def checkpoint(path: Path, model: MoonshineCtc, value: float, step: int, **about: object) -> Path:
    """Of weights that are all ``value``."""
    weights = {name: torch.full_like(old, value) for name, old in model.state_dict().items()}
    state = {"step": step, "average": weights, "recipe": {"seed": step}, "about": about}
    save_checkpoint(state, path)
    return path


def test_the_mean_of_what_they_averaged(tmp_path: Path) -> None:
    model = small_model()
    paths = [
        checkpoint(tmp_path / f"{step}.pt", model, value, step, runs=[{"command": str(step)}])
        for step, value in ((1, 0.5), (2, 2.0), (7, 3.5))
    ]
    state = averaged(paths)
    assert state["average"].keys() == model.state_dict().keys()
    assert all((value == 2.0).all() for value in state["average"].values())
    assert state["step"] == 7
    assert state["about"]["runs"] == [{"command": "7"}]
    parts = state["about"]["averaged"]
    assert [part["sha256"] for part in parts] == [sha256_of(path) for path in paths]
    assert [part["steps"] for part in parts] == [1, 2, 7]
    assert [part["runs"][0]["command"] for part in parts] == ["1", "2", "7"]


def test_one_is_no_average(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="two checkpoints at least"):
        averaged([checkpoint(tmp_path / "a.pt", small_model(), 1.0, 1)])


def test_of_one_network(tmp_path: Path) -> None:
    other = MoonshineCtc(SPEC, replace(SMALL, encoder_layers=SMALL.encoder_layers + 1))
    paths = [
        checkpoint(tmp_path / "a.pt", small_model(), 1.0, 1),
        checkpoint(tmp_path / "b.pt", other, 1.0, 1),
    ]
    with pytest.raises(RecipeError, match=r"a\.pt is of another network than .*b\.pt"):
        averaged(paths)


def test_before_priors_are_taken_out(tmp_path: Path) -> None:
    paths = [
        checkpoint(tmp_path / "a.pt", small_model(), 1.0, 1),
        checkpoint(tmp_path / "b.pt", small_model(), 1.0, 1, label_priors={}),
    ]
    with pytest.raises(RecipeError, match=r"b\.pt: its priors were taken out; average first"):
        averaged(paths)


def test_the_stage_writes_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(checkpoint(tmp_path / f"{step}.pt", small_model(), step, step)) for step in (1, 3)]
    output = tmp_path / "mean.pt"
    assert main(["average", str(output), *paths]) == 0
    assert '"steps": [\n  1,\n  3\n ]' in capsys.readouterr().out
    state = load_checkpoint(output)
    assert all((value == 2.0).all() for value in state["average"].values())
    assert main(["average", str(output), paths[0]]) == 2
    assert "two checkpoints" in capsys.readouterr().err
