"""Whisper's encoder and its CTC head on a CPU that computes linear layers in 8 bits.

In the places of `whisper_ctc.Encoder` and `whisper_ctc.Head`, which say what is computed. Here it
is compiled (`compiled_encoder`, native/), convolutions are linear layers over neighbouring frames,
and of the top layer only those frames are computed that the head hears. In float32 stay attention,
norms, activations, depth-wise convolutions and the last layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from gpu_worker.acoustic import _native
from gpu_worker.acoustic.compiled_encoder import CompiledLayers, LayerParts, norm_of
from gpu_worker.acoustic.int8 import Int8Conv1d, array_of, weights_of

if TYPE_CHECKING:
    from gpu_worker.acoustic.whisper_ctc import Encoder, EncoderLayer, Head, HeadBlock


class CompiledEncoder(nn.Module):
    """Features (batch, 80, t) -> (batch, ``wanted`` of t // 4, 1536)."""

    def __init__(self, encoder: Encoder, heads: int, *, may_use_amx: bool = True) -> None:
        super().__init__()
        self._c1 = Int8Conv1d(encoder.c1, "gelu")
        self._c2 = Int8Conv1d(encoder.c2, "gelu")
        self._pos = encoder.pos
        layers = [cast("EncoderLayer", layer) for layer in encoder.layers]
        self._layers = CompiledLayers(
            map(_parts, layers), encoder.ln, heads=heads, may_use_amx=may_use_amx
        )

    def forward(self, mel: torch.Tensor, wanted: slice = slice(None)) -> torch.Tensor:
        hidden = self._c2(self._c1(mel.transpose(1, 2))) + self._pos
        joined_frames = hidden.shape[1] // 2
        begin, end, _ = wanted.indices(joined_frames)
        out = self._layers(hidden, wanted=slice(2 * begin, 2 * end), with_below=True)
        return out.view(len(out), end - begin, -1)


class CompiledHead(nn.Module):
    """Encoder output (batch, t, 1536) -> logits (batch, t - 60, vocabulary)."""

    def __init__(self, head: Head, past: int, *, may_use_amx: bool = True) -> None:
        """``past`` frames before its own are seen by a block's convolution."""
        super().__init__()
        self._width = head.inp.out_features
        self._blocks = _native.ConvolutionHead(
            norm_in=norm_of(head.ln),
            linear_in=weights_of(head.inp),
            blocks=[_block(cast("HeadBlock", block)) for block in head.blocks],
            norm_out=norm_of(head.ln_out),
            inputs=head.inp.in_features,
            width=self._width,
            hidden=cast("HeadBlock", head.blocks[0]).f1.out_features,
            past=past,
            may_use_amx=may_use_amx,
        )
        self.out: nn.Module = head.out

    def forward(self, joined: torch.Tensor) -> torch.Tensor:
        batch, frames, _ = joined.shape
        hidden = torch.empty(batch, frames - self._blocks.context, self._width)
        self._blocks.run(joined.contiguous().numpy(), hidden.numpy())
        logits: torch.Tensor = self.out(hidden)
        return logits


def _parts(layer: EncoderLayer) -> LayerParts:
    return LayerParts(
        norm=layer.ln1,
        queries_keys_values=(layer.qkv,),
        joined=layer.o,
        norm_mlp=layer.ln2,
        into_hidden=layer.f1,
        out_of_hidden=layer.f2,
    )


def _block(block: HeadBlock) -> dict[str, object]:
    assert block.conv.bias is not None
    return {
        "norm": norm_of(block.ln1),
        "taps": array_of(block.conv.weight[:, 0].T),
        "taps_bias": array_of(block.conv.bias),
        "norm_mlp": norm_of(block.ln2),
        "in": weights_of(block.f1),
        "out": weights_of(block.f2),
    }
