"""Moonshine tiny's encoder over a sliding window, with a CTC head.

The log-probabilities of a chunk depend on one window of audio: what is left of it, the chunk and
what is right of it. So the model keeps no state: nothing to reset or rebuild, and a replay of the
same audio gives the same numbers. The field calls this buffered streaming. What of a window lies
outside of its segment does not exist for the network, neither in its norm over time nor in its
attention: a window at a segment's start is an utterance of a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import torch
from torch import nn

from gpu_worker.acoustic.moonshine_encoder import Encoder, EncoderShape
from models.spec import ModelSpec

SHAPE: Final = EncoderShape(
    width=288, hidden=1152, encoder_layers=6, heads=8, rotated=32, rotation_base=10_000.0
)


def shape_of(names: Iterable[str]) -> EncoderShape:
    """The encoder of weights with these names: it may have more layers than Moonshine's own."""
    layers = {name.split(".")[2] for name in names if name.startswith("encoder.layers.")}
    return replace(SHAPE, encoder_layers=len(layers))


class MoonshineCtc(nn.Module):
    """The network. Attribute names are those of the weights file."""

    def __init__(self, spec: ModelSpec, shape: EncoderShape = SHAPE) -> None:
        super().__init__()
        self._left, self._chunk = spec.left_frames, spec.chunk_frames
        self.encoder = Encoder(shape)
        self.head = nn.Linear(shape.width, len(spec.vocabulary))

    def step(
        self,
        pcm: torch.Tensor,
        span: torch.Tensor,
        rows: torch.Tensor,  # noqa: ARG002 - a windowed model has no state to find
        first: torch.Tensor,  # noqa: ARG002 - nor to reset
    ) -> torch.Tensor:
        """See `AcousticModel.step`."""
        return self.logits(pcm, span, self._left, self._chunk).log_softmax(-1)

    def logits(self, pcm: torch.Tensor, span: torch.Tensor, left: int, chunk: int) -> torch.Tensor:
        """Windows (batch, samples) of any length -> logits (batch, ``chunk``, vocabulary).

        ``left`` is how many frames of a window come before its chunk.
        """
        seen = slice(left, left + chunk)
        out: torch.Tensor = self.head(self.encoder.windows(pcm.float() / 32_768.0, span, seen))
        return out

    def use_int8(self) -> None:
        """Compiles all but the first and the last layer, linear ones in 8 bits."""
        self.encoder.use_int8()
