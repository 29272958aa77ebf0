"""The whole recipe on a few seconds of tones, as a user would run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tests.tools.train.conftest import tones, write_geometry
from tools.train.cli import corpus, main
from tools.train.evaluate import segment_log_probs
from tools.train.prepare import Corpus
from tools.train.readers import CorpusError
from tools.train.trainer import load_checkpoint

CPU = torch.device("cpu")
MOONSHINE = BUNDLED_MODEL.parent / "moonshine-tiny-en"


def test_the_whole_recipe(
    tone_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = (str(tmp_path / name) for name in ("data", "run"))
    assert main(["prepare", data, "--corpus", f"tones=manifest:{tone_manifest}"]) == 0
    like = str(write_geometry(tmp_path / "like"))
    train = ["train", data, run, "--batch", "8", "--save-every", "2", "--float32"]
    train += ["--model", like, "--encoder", str(MOONSHINE), "--whole-steps", "3"]
    train += ["--worst-loss", "1e9", "--warm-up-steps", "1", "--head-warm-up-steps", "1"]
    assert main([*train, "--steps", "6", "--minutes", "0"]) == 0
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] == 2
    assert main([*train, "--steps", "6"]) == 0
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["step"] == 6
    assert [" --minutes 0" in part["command"] for part in state["about"]["runs"]] == [True, False]
    log = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in log]
    assert losses[-1] < losses[0]

    checkpoint, figures = str(tmp_path / "run" / "checkpoint.pt"), tmp_path / "figures.json"
    evaluate = ["evaluate", str(tone_manifest), "--checkpoint", checkpoint, "--every", "2"]
    evaluate += ["--model", like]
    assert main([*evaluate, "--beam", "10", "--rates", "8000", "--json", str(figures)]) == 0
    written = json.loads(figures.read_text(encoding="utf-8"))
    assert written["figures"][0]["clips"] == 2
    assert len(written["texts"][0]) == 2

    output = tmp_path / "model"
    export = ["export", checkpoint, str(output), "--model", like, "--name", "mine"]
    assert main([*export, "--results", str(figures)]) == 0
    spec = ModelSpec.load(output)
    assert spec.name == "mine"
    exported, trained = load_model(spec, CPU), MoonshineCtc(spec).eval()
    trained.load_state_dict(state["average"])
    samples = (tones("it plays") * 32767).astype(np.int16)
    np.testing.assert_allclose(
        segment_log_probs(spec, exported, CPU, samples),
        segment_log_probs(spec, trained, CPU, samples),
        atol=0.05,  # the weights are rounded to float16
    )
    provenance = json.loads((output / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["steps"] == 6
    for result, figure in zip(provenance["results"], written["figures"], strict=True):
        assert result | {"command": figure["command"]} == figure
        assert str(tmp_path) not in result["command"]
    assert provenance["initial_weights"]["name"] == MOONSHINE.name
    assert provenance["data"]["sources"]["tones"]["clips"] == 4
    capsys.readouterr()


def test_new_layers_learn_from_outputs_computed_once(
    tone_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, heard, run = (str(tmp_path / name) for name in ("data", "heard", "run"))
    assert main(["prepare", data, "--corpus", f"tones=manifest:{tone_manifest}"]) == 0
    like = str(write_geometry(tmp_path / "like"))
    begin = ["--model", like, "--encoder", str(MOONSHINE), "--new-layers", "1"]
    assert main(["outputs", data, heard, *begin, "--variants", "1"]) == 0
    train = ["train", data, run, *begin, "--outputs", heard, "--batch", "8", "--float32"]
    train += ["--steps", "6", "--save-every", "2"]
    train += ["--head-warm-up-steps", "1", "--worst-loss", "1e9"]
    assert main(["train", data, run, "--new-layers", "1"]) == 2
    assert "--new-layers needs --encoder" in capsys.readouterr().err
    assert main(train) == 2
    assert capsys.readouterr().err.endswith("is of 6 layers: give --frozen-layers 6\n")
    assert main([*train, "--frozen-layers", "6"]) == 0

    log = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in log]
    assert losses[-1] < losses[0]
    checkpoint = str(tmp_path / "run" / "checkpoint.pt")
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["about"]["outputs"]["variants"] == 1
    export = ["export", checkpoint, str(tmp_path / "model"), "--model", like, "--name", "mine"]
    assert main(export) == 0
    model = load_model(ModelSpec.load(tmp_path / "model"), CPU)
    assert isinstance(model, MoonshineCtc)
    assert len(model.encoder.layers) == 7
    evaluate = ["evaluate", str(tone_manifest), "--checkpoint", checkpoint, "--model", like]
    assert main([*evaluate, "--beam", "10", "--rates", "16000", "--every", "4"]) == 0

    others = json.loads(tone_manifest.read_text(encoding="utf-8").splitlines()[0])
    others["audio"] = str(tone_manifest.parent / others["audio"])
    (tmp_path / "other.jsonl").write_text(json.dumps(others) + "\n", encoding="utf-8")
    other = str(tmp_path / "other-data")
    assert main(["prepare", other, "--corpus", f"one=manifest:{tmp_path / 'other.jsonl'}"]) == 0
    capsys.readouterr()
    assert main(["train", other, run, *train[3:], "--frozen-layers", "6"]) == 2
    assert "was made of other data than" in capsys.readouterr().err


def test_what_is_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path), str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("tools.train train: ")
    assert message.count("\n") == 1


def test_corpora_are_named_and_of_a_known_kind() -> None:
    assert corpus("cv=common-voice:/a:b") == Corpus("cv", "common-voice", Path("/a:b"))
    for text in ("cv", "cv=/a", "=manifest:/a", "cv=opus:/a", "cv=manifest:"):
        with pytest.raises(CorpusError, match="NAME=KIND:PATH"):
            corpus(text)
