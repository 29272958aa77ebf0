"""Stage 6: a model directory that the engine serves, and where its weights come from.

Weights are the checkpoint's average in float16, under the engine's attribute names; the engine
computes in float32. `provenance.json` says what would make them again: data hashes,
recipe, commands, commit, results. Where training went on from a model that has one itself, that is
in it as ``before``.
"""

from __future__ import annotations

import json
import os
import shlex
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
    training began with; ``results`` are figures of `evaluate`. Beside ``like``, or in its place, a
    language model that other models share is named and not copied. Commands are written down with
    the names of files and folders alone: where they lay on this machine says nothing elsewhere.

    Raises:
        RecipeError: ``checkpoint`` is not one.
        ModelSpecError: the directory that was written does not hold together.
    """
    state = load_checkpoint(checkpoint)
    before = _before(like, state["about"])
    output.mkdir(parents=True, exist_ok=True)
    weights = {key: value.half().contiguous() for key, value in state["average"].items()}
    assert all(torch.isfinite(value).all() for value in weights.values()), "beyond float16"
    save_file(weights, output / WEIGHTS_FILE)
    fields = json.loads((like.directory / SPEC_FILE).read_text(encoding="utf-8"))
    if like.second_pass is not None:  # a directory beside the model's, not a part of it
        fields["second_pass"] = os.path.relpath(like.directory / like.second_pass, output)
    if like.language_model_path is not None and not _shares_language_model(like, output):
        fields["language_model"] = like.language_model_path.name
        words = like.language_model_path.parent / "words.txt"
        for path in (like.language_model_path, words):
            copy = output / path.name
            if path.is_file() and path.resolve() != copy.resolve():
                shutil.copyfile(path, copy)
    _write_json(output / SPEC_FILE, {**fields, "name": name, "weights": WEIGHTS_FILE})
    about = _portable(state["about"])
    provenance = {
        "weights_sha256": sha256_of(output / WEIGHTS_FILE),
        "steps": state["step"],
        "recipe": state["recipe"],
        **about,
        "results": _portable(results),
        **before,
    }
    _write_json(output / PROVENANCE_FILE, provenance)
    ModelSpec.load(output)
    return provenance


def _shares_language_model(like: ModelSpec, output: Path) -> bool:
    """Whether the path of ``like`` to a language model outside of it is right in ``output`` too."""
    assert like.language_model is not None
    is_outside = Path(like.language_model).parts[0] == ".."
    return is_outside and output.resolve().parent == like.directory.resolve().parent


def _before(like: ModelSpec, about: dict[str, Any]) -> dict[str, Any]:
    """Of ``like`` and what came before it, the provenance of what training began with."""
    path = like.directory / PROVENANCE_FILE
    provenance = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    parts = [about, *about.get("averaged", ())]
    begun_with = {part.get("initial_weights", {}).get("sha256") for part in parts}
    while provenance is not None:
        if provenance["weights_sha256"] in begun_with:
            return {"before": provenance}
        provenance = provenance.get("before")
    return {}


def _portable(facts: Any) -> Any:
    """The same, commands without the folders of this machine."""
    if isinstance(facts, list):
        return [_portable(item) for item in facts]
    if not isinstance(facts, dict):
        return facts
    portable = {name: _portable(value) for name, value in facts.items()}
    if isinstance(portable.get("command"), str):
        words = shlex.split(portable["command"])
        named = [Path(word).name if Path(word).is_absolute() else word for word in words]
        portable["command"] = shlex.join(named)
    return portable


def _write_json(path: Path, contents: dict[str, Any]) -> None:
    path.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
