"""Stage 4: a model directory that the engine serves, and where its weights come from.

Weights are the checkpoint's average in float16, under the engine's attribute names; the engine
computes in float32. `provenance.json` says what would make them again: data hashes,
recipe, commands, commit, results.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file

from models.spec import SPEC_FILE, ModelSpec
from tools.train.dataset import sha256_of
from tools.train.trainer import load_checkpoint

WEIGHTS_FILE: Final = "model.safetensors"
PROVENANCE_FILE: Final = "provenance.json"


def export(
    checkpoint: Path, like: ModelSpec, output: Path, name: str, results: list[dict[str, Any]]
) -> dict[str, Any]:
    """Writes ``output`` and returns its provenance.

    Geometry, vocabulary, language model and second pass are those of ``like``, the model that
    training began with; ``results`` are figures of `evaluate`.

    Raises:
        RecipeError: ``checkpoint`` is not one.
        ModelSpecError: the directory that was written does not hold together.
    """
    state = load_checkpoint(checkpoint)
    output.mkdir(parents=True, exist_ok=True)
    weights = {key: value.half().contiguous() for key, value in state["average"].items()}
    assert all(torch.isfinite(value).all() for value in weights.values()), "beyond float16"
    save_file(weights, output / WEIGHTS_FILE)
    fields = json.loads((like.directory / SPEC_FILE).read_text(encoding="utf-8"))
    if like.second_pass is not None:  # a directory beside the model's, not a part of it
        fields["second_pass"] = os.path.relpath(like.directory / like.second_pass, output)
    if like.language_model_path is not None:
        fields["language_model"] = like.language_model_path.name
        words = like.language_model_path.parent / "words.txt"
        for path in (like.language_model_path, words):
            if path.is_file():
                shutil.copyfile(path, output / path.name)
    _write_json(output / SPEC_FILE, {**fields, "name": name, "weights": WEIGHTS_FILE})
    provenance = {
        "weights_sha256": sha256_of(output / WEIGHTS_FILE),
        "steps": state["step"],
        "recipe": state["recipe"],
        **state["about"],
        "results": results,
    }
    _write_json(output / PROVENANCE_FILE, provenance)
    ModelSpec.load(output)
    return provenance


def _write_json(path: Path, contents: dict[str, Any]) -> None:
    path.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
