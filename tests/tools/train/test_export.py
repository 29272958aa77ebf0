"""Export: a directory that the engine loads, with the same outputs and its provenance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from models.spec import ModelSpec
from tests.tools.train.conftest import tones, write_geometry
from tools.train.averaging import averaged
from tools.train.dataset import sha256_of
from tools.train.evaluate import segment_log_probs
from tools.train.export import PROVENANCE_FILE, WEIGHTS_FILE, export
from tools.train.recipe import Recipe
from tools.train.trainer import Trainer, save_checkpoint

CPU = torch.device("cpu")


def test_the_engine_gives_the_trained_log_probs(tmp_path: Path) -> None:
    folder = write_geometry(tmp_path / "like", "../words.lm")
    (tmp_path / "words.lm").write_bytes(b"n-grams")
    like = ModelSpec.load(folder)
    torch.manual_seed(0)
    model = MoonshineCtc(like).eval()
    command = "python -m tools.train train /where/it/lay/data run --seed 1"
    about = {"runs": [{"command": command, "device": "cpu"}], "data": "tones"}
    trainer = Trainer(model, Recipe(), CPU, about)
    trainer.average["head.bias"] += 0.5
    trainer.average["head.bias"][0] += 1.0
    trainer.save(tmp_path / "checkpoint.pt")
    results = [{"rate_hz": 8000, "greedy_wer": 0.5}]
    output = tmp_path / "elsewhere" / "out"
    provenance = export(tmp_path / "checkpoint.pt", like, output, "mine", results)

    spec = ModelSpec.load(output)
    assert spec.name == "mine"
    assert spec.vocabulary == like.vocabulary
    assert spec.language_model == "words.lm"
    assert (output / "words.lm").read_bytes() == b"n-grams"
    exported = load_model(spec, CPU)
    model.eval().load_state_dict(trainer.average)
    samples = (tones("the same") * 32767).astype(np.int16)
    np.testing.assert_allclose(
        segment_log_probs(spec, exported, CPU, samples),
        segment_log_probs(like, model, CPU, samples),
        atol=0.05,  # the weights are rounded to float16
    )
    written = json.loads((output / PROVENANCE_FILE).read_text(encoding="utf-8"))
    assert written == provenance
    assert written["results"] == results
    assert written["runs"] == [
        {"command": "python -m tools.train train data run --seed 1", "device": "cpu"}
    ]
    assert written["recipe"]["seed"] == 1
    assert written["data"] == "tones"
    assert written["weights_sha256"] == sha256_of(output / WEIGHTS_FILE)


def test_what_training_went_on_from_is_in_the_provenance(tmp_path: Path) -> None:
    like = ModelSpec.load(write_geometry(tmp_path / "like"))
    model = MoonshineCtc(like).eval()
    checkpoint, output = tmp_path / "checkpoint.pt", tmp_path / "out"
    Trainer(model, Recipe(seed=1), CPU, {"runs": []}).save(checkpoint)
    first = export(checkpoint, like, output, "first", [])
    assert "before" not in first
    sha256 = first["weights_sha256"]
    for begun_with, known in ((sha256, True), ("another's", False)):
        about = {"runs": [], "initial_weights": {"sha256": begun_with}}
        Trainer(model, Recipe(seed=2), CPU, about).save(checkpoint)
        second = export(checkpoint, ModelSpec.load(output), tmp_path / "on", "second", [])
        assert second["recipe"]["seed"] == 2
        assert second.get("before") == (first if known else None)


def test_so_is_what_one_of_the_averaged_went_on_from(tmp_path: Path) -> None:
    """Of two runs after the first, the second of which began with the checkpoint of the other."""
    like = ModelSpec.load(write_geometry(tmp_path / "like"))
    checkpoints = [tmp_path / "one.pt", tmp_path / "two.pt"]
    Trainer(MoonshineCtc(like).eval(), Recipe(), CPU, {"runs": []}).save(checkpoints[0])
    first = export(checkpoints[0], like, tmp_path / "first", "first", [])
    command = f"train {tmp_path}/data"
    for path, begun_with in zip(checkpoints, (first["weights_sha256"], "one.pt"), strict=True):
        about = {"runs": [{"command": command}], "initial_weights": {"sha256": begun_with}}
        Trainer(MoonshineCtc(like).eval(), Recipe(), CPU, about).save(path)
    second = export(checkpoints[0], ModelSpec.load(tmp_path / "first"), tmp_path / "b", "b", [])
    assert second["before"] == first
    mean = tmp_path / "mean.pt"
    save_checkpoint(averaged(checkpoints), mean)
    third = export(mean, ModelSpec.load(tmp_path / "b"), tmp_path / "c", "c", [])
    assert third["before"] == first
    assert [part["runs"][0]["command"] for part in third["averaged"]] == ["train data"] * 2


def test_in_the_place_of_what_training_began_with(tmp_path: Path) -> None:
    """Its own language model is there already."""
    folder = write_geometry(tmp_path / "like", "lm.bin")
    (folder / "lm.bin").write_bytes(b"n-grams")
    like = ModelSpec.load(folder)
    Trainer(MoonshineCtc(like).eval(), Recipe(), CPU, {"runs": []}).save(tmp_path / "one.pt")
    export(tmp_path / "one.pt", like, folder, "one", [])
    assert (folder / "lm.bin").read_bytes() == b"n-grams"
    assert ModelSpec.load(folder).name == "one"


def test_a_language_model_that_is_shared_is_not_copied(tmp_path: Path) -> None:
    """In the place of the geometry that training began with, or beside it."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "words.lm").write_bytes(b"n-grams")
    like = ModelSpec.load(write_geometry(tmp_path / "like", "../shared/words.lm"))
    Trainer(MoonshineCtc(like).eval(), Recipe(), CPU, {"runs": []}).save(tmp_path / "checkpoint.pt")
    for output in (like.directory, tmp_path / "beside"):
        export(tmp_path / "checkpoint.pt", like, output, "mine", [])
        spec = ModelSpec.load(output)
        assert spec.weights == WEIGHTS_FILE
        assert spec.language_model_path == output / "../shared/words.lm"
        assert not (output / "words.lm").exists()
