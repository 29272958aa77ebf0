"""Priors are the mean of what is emitted, and dividing by them is another bias of the head."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from tests.tools.train.conftest import SMALL, SPEC, small_model, tones
from tools.train.cli import main
from tools.train.dataset import Dataset
from tools.train.evaluate import segment_log_probs
from tools.train.priors import LEAST_PRIOR, label_priors, without_priors
from tools.train.recipe import Recipe, RecipeError
from tools.train.trainer import Trainer, load_checkpoint

CPU = torch.device("cpu")
SEGMENTS = [(tones(text) * 32767).astype(np.int16) for text in ("one", "and another one")]


def state_of(model: MoonshineCtc) -> dict[str, object]:
    return {"step": 3, "average": model.state_dict(), "about": {"data": "tones"}}


def test_they_are_the_mean_over_all_frames() -> None:
    model = small_model().eval()
    heard = [np.exp(segment_log_probs(SPEC, model, CPU, samples)) for samples in SEGMENTS]
    priors = label_priors(SPEC, model, CPU, SEGMENTS)
    np.testing.assert_allclose(priors, np.concatenate(heard).mean(0), rtol=1e-5)
    assert priors.sum() == pytest.approx(1)


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_posteriors_are_divided_by_their_power(weight: float) -> None:
    model = small_model().eval()
    priors = label_priors(SPEC, model, CPU, SEGMENTS)
    before = segment_log_probs(SPEC, model, CPU, SEGMENTS[1])
    state = without_priors(state_of(model), priors, weight)
    changed = MoonshineCtc(SPEC, SMALL).eval()
    changed.load_state_dict(state["average"])
    after = segment_log_probs(SPEC, changed, CPU, SEGMENTS[1])
    expected = before - weight * np.log(priors)
    expected -= np.logaddexp.reduce(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(after, expected, atol=1e-4)
    assert state["about"]["data"] == "tones"
    assert state["about"]["label_priors"]["weight"] == weight


def test_a_token_that_never_comes_gains_no_more_than_the_least_prior_allows() -> None:
    model = small_model().eval()
    priors = np.array([1.0, *[0.0] * 28])
    state = without_priors(state_of(model), priors, 1.0)
    gained = state["average"]["head.bias"] - model.state_dict()["head.bias"]
    assert gained[1:].max() == pytest.approx(-np.log(LEAST_PRIOR), rel=1e-5)
    assert torch.isfinite(gained).all()


def test_once_is_enough() -> None:
    state = without_priors(state_of(small_model()), np.full(29, 1 / 29), 0.5)
    with pytest.raises(RecipeError, match="taken out before: give its original"):
        without_priors(state, np.full(29, 1 / 29), 0.5)


def test_without_speech_there_are_none() -> None:
    nothing: Iterator[np.ndarray] = iter(())
    with pytest.raises(RecipeError, match="need speech"):
        label_priors(SPEC, small_model(), CPU, nothing)


def test_the_stage_writes_a_checkpoint(
    tone_data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = MoonshineCtc(SPEC).eval()
    checkpoint, output = tmp_path / "checkpoint.pt", tmp_path / "without.pt"
    Trainer(model, Recipe(), CPU, {"runs": []}).save(checkpoint)
    command = ["priors", str(tone_data.directory), str(checkpoint), str(output)]
    assert main([*command, "--weight", "0.5", "--clips", "2"]) == 0
    assert "blank" in capsys.readouterr().out
    before, after = load_checkpoint(checkpoint), load_checkpoint(output)
    changed = [k for k, v in before["average"].items() if not torch.equal(v, after["average"][k])]
    assert changed == ["head.bias"]
    assert after["about"]["label_priors"]["weight"] == 0.5
    assert main([*command, "--clips", "0"]) == 2
    assert "--clips must be at least 1, not 0" in capsys.readouterr().err
    assert main(["priors", *command[1:2], str(output), str(tmp_path / "again.pt")]) == 2
    assert "taken out before" in capsys.readouterr().err
