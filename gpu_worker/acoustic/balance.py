"""Norms and the linear layers behind them, changed so that 8 bits lose less and nothing else moves.

A few numbers of what comes out of a norm are far larger than the rest, and rounding in steps of
the largest one leaves little of the others. Dividing each number by a factor in the norm, and
multiplying the weights it meets by the same, computes the same function with ranges that are alike
(Xiao et al. (2022), "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
Language Models", arXiv 2211.10438; both by the square root of their ranges).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import nn

_TINIEST: Final = 1e-5
"""Of a factor: numbers or weights that are all zeros are left about as they are."""

Followers = Sequence[nn.Linear]
"""The layers that what comes out of a norm goes into, and nothing else."""


@torch.no_grad()
def balance(run: Callable[[], object], parts: Sequence[tuple[nn.LayerNorm, Followers]]) -> None:
    """Changes ``parts`` in place, by what comes out of their norms while ``run`` runs them."""
    ranges: dict[nn.Module, torch.Tensor] = {}

    def note(norm: nn.Module, _in: Any, out: torch.Tensor) -> None:
        ranges[norm] = out.abs().flatten(0, -2).amax(0)

    hooks = [norm.register_forward_hook(note) for norm, _ in parts]
    run()
    for hook in hooks:
        hook.remove()
    for norm, followers in parts:
        weights = torch.cat([layer.weight for layer in followers]).abs().amax(0)
        factors = (ranges[norm] / weights.clamp(min=_TINIEST)).sqrt().clamp(min=_TINIEST)
        norm.weight.div_(factors)
        if norm.bias is not None:
            norm.bias.div_(factors)
        for layer in followers:
            layer.weight.mul_(factors)
