"""Encoders without PyTorch, on a CPU that computes linear layers in 8 bits: see native/.

Half of what a window costs PyTorch lies between its products: copies, permutations, sums, calls. A
`CompiledLayers` computes a whole transformer in one call, Whisper's and Moonshine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from gpu_worker.acoustic import _native
from gpu_worker.acoustic.int8 import array_of, weights_of

Angles = tuple[torch.Tensor, torch.Tensor]
_Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerParts:
    """A pre-norm layer of self-attention and feed-forward with GELU."""

    norm: nn.LayerNorm
    queries_keys_values: tuple[nn.Linear, ...]
    """One layer of three times the width, or three."""
    joined: nn.Linear
    norm_mlp: nn.LayerNorm
    into_hidden: nn.Linear
    out_of_hidden: nn.Linear


class CompiledLayers:
    """A transformer's layers and the norm of their output, for inference."""

    def __init__(
        self,
        layers: Iterable[LayerParts],
        norm: nn.LayerNorm,
        *,
        heads: int,
        angles: Callable[[int], Angles] | None = None,
        may_use_amx: bool = True,
    ) -> None:
        """``angles`` gives those of so many first positions: see `Rotation.angles`."""
        parts = list(layers)
        (self._width,) = norm.normalized_shape
        self._angles = angles
        self._known_angles = self._computed_angles(1)
        self._network = _native.Transformer(
            layers=[_layer(part) for part in parts],
            norm=norm_of(norm),
            width=self._width,
            heads=heads,
            hidden=parts[0].into_hidden.out_features,
            may_use_amx=may_use_amx,
        )

    def __call__(
        self,
        x: torch.Tensor,
        *,
        heard: torch.Tensor | None = None,
        wanted: slice = slice(None),
        with_below: bool = False,
    ) -> torch.Tensor:
        """(batch, frames, width) -> (batch, ``wanted`` frames, width), normalised.

        Attended to are frames marked in ``heard`` (batch, frames), or all. ``with_below`` puts what
        goes into the top layer before what comes out: (batch, wanted, 2 * width).
        """
        batch, frames, _ = x.shape
        begin, end, _ = wanted.indices(frames)
        out = torch.empty(batch, max(0, end - begin), self._width * (1 + with_below))
        self._network.run(
            x.contiguous().numpy(),
            out.numpy(),
            begin=begin,
            heard=None if heard is None else heard.contiguous().numpy(),
            angles=self._angles_of(frames),
        )
        return out

    def _angles_of(self, frames: int) -> _Arrays | None:
        """Kept from call to call for the longest window so far."""
        known = self._known_angles
        if known is not None and len(known[0]) < frames:
            known = self._known_angles = self._computed_angles(frames)
        return None if known is None else (known[0][:frames], known[1][:frames])

    def _computed_angles(self, frames: int) -> _Arrays | None:
        if self._angles is None:
            return None
        own, neighbour = self._angles(frames)
        return own.numpy(), neighbour.numpy()


def _layer(parts: LayerParts) -> dict[str, Any]:
    weights, biases = zip(*(weights_of(one) for one in parts.queries_keys_values), strict=True)
    return {
        "norm": norm_of(parts.norm),
        "query_key_value": (np.concatenate(weights), np.concatenate(biases)),
        "joined": weights_of(parts.joined),
        "norm_mlp": norm_of(parts.norm_mlp),
        "in": weights_of(parts.into_hidden),
        "out": weights_of(parts.out_of_hidden),
    }


def norm_of(
    norm: nn.LayerNorm,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Weight and bias, or None where it has none."""
    bias: torch.Tensor | None = norm.bias
    return array_of(norm.weight), None if bias is None else array_of(bias)
