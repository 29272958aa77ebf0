"""What a run begins with."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Final

import torch

from gpu_worker.acoustic.moonshine_ctc import SHAPE, MoonshineCtc
from gpu_worker.acoustic.moonshine_encoder import EncoderShape
from gpu_worker.second_pass.moonshine import load_network, load_shape
from models.spec import ModelSpec
from tools.train.recipe import RecipeError

_OUTWARDS: Final = ("self_attn.o_proj.weight", "mlp.fc2.weight")
_QUIET: Final = 0.1


def with_encoder_of(folder: Path, spec: ModelSpec, new_layers: int = 0) -> MoonshineCtc:
    """The encoder of a Moonshine model, new layers on top of it, and a new head.

    New layers add little to what comes to them at first.

    Raises:
        SecondPassError: ``folder`` holds no Moonshine model.
        RecipeError: one of another size.
    """
    shape = load_shape(folder / "config.json")
    for size in fields(EncoderShape):
        own, wanted = getattr(shape, size.name), getattr(SHAPE, size.name)
        if own != wanted:
            raise RecipeError(
                f"{folder}: only Moonshine tiny's encoder can be taken, whose {size.name} is "
                f"{wanted}, not {own}"
            )
    network = load_network(folder / "model.safetensors", shape)
    model = MoonshineCtc(spec, replace(SHAPE, encoder_layers=shape.encoder_layers + new_layers))
    model.encoder.load_state_dict(network.encoder.state_dict(), strict=False)
    with torch.no_grad():
        for layer in list(model.encoder.layers)[shape.encoder_layers :]:
            for name, weights in layer.named_parameters():
                if name in _OUTWARDS:
                    weights.mul_(_QUIET)
    return model
