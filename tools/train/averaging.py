"""Stage 3, which may be left out: the mean of several checkpoints' weights.

Checkpoints of one run, or of runs that go on from each other, can lie so near each other that the
mean of their weights is better than any of them, at no cost to the engine (Wortsman et al., "Model
soups", 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tools.train.dataset import sha256_of
from tools.train.recipe import RecipeError
from tools.train.trainer import load_checkpoint


def averaged(checkpoints: Sequence[Path]) -> dict[str, Any]:
    """A checkpoint whose average is the mean of theirs; it is the last one's run otherwise.

    Raises:
        RecipeError: they are fewer than two or of different networks, or a checkpoint's priors were
            taken out.
    """
    if len(checkpoints) < 2:
        raise RecipeError("to average takes two checkpoints at least")
    states = [load_checkpoint(path) for path in checkpoints]
    last = states[-1]
    for path, state in zip(checkpoints, states, strict=True):
        if "label_priors" in state["about"]:
            raise RecipeError(
                f"{path}: its priors were taken out; average first, then take them out"
            )
        if _shapes(state) != _shapes(last):
            raise RecipeError(f"{path} is of another network than {checkpoints[-1]}")
    parts = [
        {"sha256": sha256_of(path), "steps": state["step"], "recipe": state["recipe"]}
        | state["about"]
        for path, state in zip(checkpoints, states, strict=True)
    ]
    return {
        "step": last["step"],
        "recipe": last["recipe"],
        "about": {**last["about"], "averaged": parts},
        "average": {
            name: torch.stack([state["average"][name] for state in states]).mean(0)
            for name in last["average"]
        },
    }


def _shapes(state: dict[str, Any]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state["average"].items()}
