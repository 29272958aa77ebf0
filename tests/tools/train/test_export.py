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
from tools.train.dataset import sha256_of
from tools.train.evaluate import segment_log_probs
from tools.train.export import PROVENANCE_FILE, WEIGHTS_FILE, export
from tools.train.recipe import Recipe
from tools.train.trainer import Trainer

CPU = torch.device("cpu")


def test_the_engine_gives_the_trained_log_probs(tmp_path: Path) -> None:
    folder = write_geometry(tmp_path / "like", "../words.lm")
    (tmp_path / "words.lm").write_bytes(b"n-grams")
    like = ModelSpec.load(folder)
    torch.manual_seed(0)
    model = MoonshineCtc(like).eval()
    trainer = Trainer(model, Recipe(), CPU, {"runs": [], "data": "tones"})
    trainer.average["head.bias"] += 0.5
    trainer.average["head.bias"][0] += 1.0
    trainer.save(tmp_path / "checkpoint.pt")
    results = [{"rate_hz": 8000, "greedy_wer": 0.5}]
    provenance = export(tmp_path / "checkpoint.pt", like, tmp_path / "out", "mine", results)

    spec = ModelSpec.load(tmp_path / "out")
    assert spec.name == "mine"
    assert spec.vocabulary == like.vocabulary
    assert spec.language_model == "words.lm"
    assert (tmp_path / "out" / "words.lm").read_bytes() == b"n-grams"
    exported = load_model(spec, CPU)
    model.eval().load_state_dict(trainer.average)
    samples = (tones("the same") * 32767).astype(np.int16)
    np.testing.assert_allclose(
        segment_log_probs(spec, exported, CPU, samples),
        segment_log_probs(like, model, CPU, samples),
        atol=0.05,  # the weights are rounded to float16
    )
    written = json.loads((tmp_path / "out" / PROVENANCE_FILE).read_text(encoding="utf-8"))
    assert written == provenance
    assert written["results"] == results
    assert written["recipe"]["seed"] == 1
    assert written["data"] == "tones"
    assert written["weights_sha256"] == sha256_of(tmp_path / "out" / WEIGHTS_FILE)
