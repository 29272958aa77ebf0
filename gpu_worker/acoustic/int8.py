"""Linear layers in 8-bit integers on a CPU: half the time of a step, nearly the same numbers.

Weights are rounded to 8 bits with a scale for each output, inputs with a scale for each frame; sums
are exact. So a frame's outputs depend on that frame alone, as in float32, and processors with AMX
give the same bits in less time. Attention, convolutions, norms and the last layer stay in float32.
"""

from __future__ import annotations

import torch
from torch import nn

from gpu_worker.acoustic import _native


def is_supported() -> bool:
    """Whether this processor has the instructions (AVX-512 VNNI)."""
    return _native.int8_is_supported()


class Int8Linear(nn.Module):
    """In place of a linear layer: (.., inputs) float32 -> (.., outputs) float32, for inference."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        bias = linear.bias.detach() if linear.bias is not None else weight.new_zeros(len(weight))
        self._layer = _native.Int8Linear(weight=weight.numpy(), bias=bias.numpy())
        self._outputs = linear.out_features

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        rows = hidden.reshape(-1, hidden.shape[-1]).contiguous()
        out = torch.empty(rows.shape[0], self._outputs)
        self._layer.run(rows.numpy(), out.numpy())
        return out.view(*hidden.shape[:-1], self._outputs)


def round_layers(model: nn.Module, but: nn.Module | None = None) -> None:
    """Puts an `Int8Linear` in the place of every linear layer within ``model``, ``but`` one."""
    for name, part in model.named_children():
        if part is but:
            continue
        if isinstance(part, nn.Linear):
            setattr(model, name, Int8Linear(part))
        else:
            round_layers(part, but)
