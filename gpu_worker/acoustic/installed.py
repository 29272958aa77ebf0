"""Architectures that other installed packages bring: a model of your own without a change here.

A package declares them as entry points of the group `GROUP` (PyPA's entry points specification),
each named as `architecture` in `model.json` and pointing to a `Build`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Final, TypeAlias

import torch

from gpu_worker.acoustic.contract import AcousticModel
from models.spec import ModelSpec, ModelSpecError

GROUP: Final = "realtime_engine.architectures"

Build: TypeAlias = Callable[[ModelSpec, torch.device, int], AcousticModel]
"""Of a directory's spec, a device, and how many slots there are: rows of state are 0 (padding) to
that number. It reads the weights itself."""


def installed_names() -> list[str]:
    """Of all architectures that packages bring."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def build_installed(spec: ModelSpec, device: torch.device, slots: int) -> AcousticModel | None:
    """The model that a package makes of ``spec``, tried once; None if none has its architecture.

    Raises:
        ModelSpecError: several have it, or what it makes cannot be used.
    """
    points = list(entry_points(group=GROUP, name=spec.architecture))
    if not points:
        return None
    if len(points) > 1:
        packages = " and ".join(sorted(map(_package, points)))
        raise ModelSpecError(
            f"architecture '{spec.architecture}' is brought by {packages}: uninstall all but one"
        )
    try:
        build: Build = points[0].load()
        model = build(spec, device, slots)
        _try(model, spec, device)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelSpecError(
            f"{spec.directory}: architecture '{spec.architecture}' of package "
            f"{_package(points[0])} cannot be used: {reason:.300}"
        ) from error
    return model


@torch.inference_mode()
def _try(model: AcousticModel, spec: ModelSpec, device: torch.device) -> None:
    """Steps over a silent window of the padding row. Raises ValueError where the contract ends."""
    out = model.step(
        torch.zeros(1, spec.window_samples, dtype=torch.int16, device=device),
        torch.tensor([[0, spec.window_samples]], device=device),
        torch.zeros(1, dtype=torch.int64, device=device),
        torch.ones(1, dtype=torch.bool, device=device),
    )
    shape = (1, spec.chunk_frames, len(spec.vocabulary))
    if tuple(out.shape) != shape or out.dtype != torch.float32:
        raise ValueError(
            f"a step must give {shape} torch.float32 (batch, chunk_frames, vocabulary), "
            f"not {tuple(out.shape)} {out.dtype}"
        )
    total = out.exp().sum(-1)
    if not torch.allclose(total, torch.ones_like(total), atol=1e-3):
        raise ValueError(
            "a frame's log-probabilities must be natural logarithms of probabilities that add up "
            f"to 1, not to {total.flatten()[0]:.3g}"
        )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
