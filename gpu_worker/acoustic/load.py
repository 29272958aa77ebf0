"""Builds the network that a model directory declares, with its weights, on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from gpu_worker.acoustic.contract import AcousticModel
from gpu_worker.acoustic.echo import Echo
from gpu_worker.acoustic.installed import build_installed, installed_names
from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc, shape_of
from gpu_worker.acoustic.whisper_ctc import WhisperCtc
from models.spec import ModelSpec, ModelSpecError


def load_model(
    spec: ModelSpec, device: torch.device, slots: int = 1, *, int8: bool = False
) -> AcousticModel:
    """The model on ``device``, in evaluation mode: in float32, or in 8 bits on a CPU.

    One that keeps state has rows of it for so many ``slots``. Precision is left to architectures
    that other packages bring.

    Raises:
        ModelSpecError: an unknown architecture, or weights that cannot be read or do not fit it.
    """
    build = _ARCHITECTURES.get(spec.architecture)
    if build is None:
        installed = build_installed(spec, device, slots)
        if installed is not None:
            return installed
        known = ", ".join(sorted({*_ARCHITECTURES, *installed_names()}))
        raise ModelSpecError(
            f"{spec.directory}: unknown architecture '{spec.architecture}' (known: {known})"
        )
    model = build(spec, device)
    if int8 and isinstance(model, WhisperCtc | MoonshineCtc):
        model.use_int8()
    return model


def _with_weights(
    network: Callable[[ModelSpec, Iterable[str]], WhisperCtc | MoonshineCtc],
    spec: ModelSpec,
    device: torch.device,
) -> WhisperCtc | MoonshineCtc:
    """``network`` is told which weights there are."""
    name = spec.architecture
    if spec.weights is None:
        raise ModelSpecError(f"{spec.directory}: architecture {name} needs 'weights'")
    path = spec.directory / spec.weights
    try:
        weights = {key: tensor.float() for key, tensor in load_file(path).items()}
        model = network(spec, weights)
        model.load_state_dict(weights)
    except (SafetensorError, OSError) as error:
        raise ModelSpecError(f"{path} is not a readable safetensors file: {error}") from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelSpecError(f"{path} does not fit {name}: {reason:.300}") from error
    return model.to(device).eval()


_ARCHITECTURES: Final[dict[str, Callable[[ModelSpec, torch.device], AcousticModel]]] = {
    "echo": lambda spec, _: Echo(spec),
    "moonshine-ctc": partial(
        _with_weights, lambda spec, names: MoonshineCtc(spec, shape_of(names))
    ),
    "whisper-ctc": partial(_with_weights, lambda spec, _: WhisperCtc(spec)),
}
