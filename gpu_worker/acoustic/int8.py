"""Linear layers in 8-bit integers on a CPU: half the time of a step, nearly the same numbers.

Weights are rounded to 8 bits with a scale for each output, inputs with a scale for each frame; sums
are exact. So a frame's outputs depend on that frame alone, as in float32, and processors with AMX
give the same bits in less time. Attention, norms and the last layer stay in float32, and so do
convolutions where a model does not ask for them.
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


class Int8Conv1d(nn.Module):
    """In place of a convolution without padding: (batch, inputs, n) -> (batch, outputs, steps)."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        outputs, inputs, self._kernel = conv.weight.shape
        self._stride = conv.stride[0]
        linear = nn.Linear(self._kernel * inputs, outputs)
        linear.weight = nn.Parameter(conv.weight.detach().transpose(1, 2).flatten(1).contiguous())
        assert conv.bias is not None
        linear.bias = nn.Parameter(conv.bias.detach())
        self._linear = Int8Linear(linear)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        seen = steps.transpose(1, 2).contiguous().unfold(1, self._kernel, self._stride)
        out: torch.Tensor = self._linear(seen.transpose(2, 3).flatten(2))
        return out.transpose(1, 2)


def round_layers(
    model: nn.Module, but: nn.Module | None = None, *, convolutions: bool = False
) -> None:
    """Puts an `Int8Linear` in the place of every linear layer within ``model``, ``but`` one.

    With ``convolutions`` also an `Int8Conv1d` for each that has more than one channel to read.
    """
    for name, part in model.named_children():
        if part is but:
            continue
        if isinstance(part, nn.Linear):
            setattr(model, name, Int8Linear(part))
        elif convolutions and isinstance(part, nn.Conv1d) and part.in_channels > 1:
            setattr(model, name, Int8Conv1d(part))
        else:
            round_layers(part, but, convolutions=convolutions)
