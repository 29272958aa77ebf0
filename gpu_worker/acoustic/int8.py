"""Linear layers in 8-bit integers on a CPU: half the time of a step, nearly the same numbers.

Weights are rounded to 8 bits with a scale for each output, inputs with a scale for each frame; sums
are exact. So a frame's outputs depend on that frame alone, as in float32, and processors with AMX
give the same bits in less time. Attention, norms and the last layer stay in float32, and so do
convolutions where a model does not ask for them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from gpu_worker.acoustic import _native


def is_supported() -> bool:
    """Whether this processor has the instructions (AVX-512 VNNI)."""
    return _native.int8_is_supported()


def array_of(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """Weights as compiled networks take them."""
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)


def weights_of(linear: nn.Linear) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Weight (outputs, inputs) and bias (outputs,), zeros where the layer has none."""
    bias: torch.Tensor | None = linear.bias
    weight = linear.weight
    return array_of(weight), array_of(weight.new_zeros(len(weight)) if bias is None else bias)


class Int8Linear(nn.Module):
    """In place of a linear layer: (.., inputs) float32 -> (.., outputs) float32, for inference."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, bias = weights_of(linear)
        self._layer = _native.Int8Linear(weight=weight, bias=bias)
        self._outputs = linear.out_features

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        rows = hidden.reshape(-1, hidden.shape[-1]).contiguous()
        out = torch.empty(rows.shape[0], self._outputs)
        self._layer.run(rows.numpy(), out.numpy())
        return out.view(*hidden.shape[:-1], self._outputs)


class Int8Conv1d:
    """In place of a convolution and what follows it: (batch, n, inputs) -> (batch, steps, outputs).

    Each step's inputs lie side by side in memory as they are, so nothing is copied but for padding.
    """

    def __init__(self, conv: nn.Conv1d, activation: str = "none") -> None:
        """``activation`` is none, gelu or silu."""
        self._outputs, _, self._kernel = conv.weight.shape
        assert not isinstance(conv.padding, str)
        (self._stride,), (self._padding,) = conv.stride, conv.padding
        self._activation = activation
        weight = array_of(conv.weight.transpose(1, 2).flatten(1))
        assert conv.bias is not None
        self._layer = _native.Int8Linear(weight=weight, bias=array_of(conv.bias))

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        padded = F.pad(frames, (0, 0, self._padding, self._padding)).contiguous()
        batch, length, inputs = padded.shape
        steps = (length - self._kernel) // self._stride + 1
        seen = padded.as_strided(
            (batch, steps, self._kernel * inputs), (length * inputs, self._stride * inputs, 1)
        )
        out = torch.empty(batch, steps, self._outputs)
        for rows, to in zip(seen.numpy(), out.numpy(), strict=True):
            self._layer.run(rows, to, self._activation)
        return out


def round_layers(model: nn.Module, but: nn.Module | None = None) -> None:
    """Puts an `Int8Linear` in the place of every linear layer within ``model``, ``but`` one."""
    for name, part in model.named_children():
        if part is but:
            continue
        if isinstance(part, nn.Linear):
            setattr(model, name, Int8Linear(part))
        else:
            round_layers(part, but)
