"""Moonshine's decoder without PyTorch, on a CPU that computes linear layers in 8 bits.

A token is some sixty small products; what PyTorch adds to each is as long again. See
native/token_decoder.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from gpu_worker.acoustic.int8 import array_of, weights_of
from gpu_worker.acoustic.moonshine_encoder import Attention
from gpu_worker.second_pass import _native
from gpu_worker.second_pass.moonshine_network import Decoder, DecoderLayer, MoonshineShape


class CompiledState:
    """A `DecoderState` of one utterance."""

    def __init__(self, rows: _native.Rows) -> None:
        self.rows = rows

    def follow(self, parents: torch.Tensor) -> None:
        """Row i goes on from what was row ``parents[i]``."""
        self.rows.follow(parents.numpy())


class CompiledDecoder:
    """In the place of a `Decoder` in float32, for one utterance at a time."""

    def __init__(self, decoder: Decoder, shape: MoonshineShape) -> None:
        """Keys and values of the frames are projected by the layers of ``decoder``."""
        self._vocabulary = shape.vocabulary
        layers = [cast(DecoderLayer, layer) for layer in decoder.layers]
        self._attentions = [layer.encoder_attn for layer in layers]
        self._decoder = _native.TokenDecoder(
            layers=[_layer(layer) for layer in layers],
            embedding=array_of(decoder.embed_tokens.weight),
            norm=array_of(decoder.norm.weight),
            output=weights_of(decoder.output),
            heads=shape.heads,
            rotated=shape.rotated,
            rotation_base=shape.rotation_base,
            hidden=shape.hidden,
            max_tokens=shape.max_tokens,
        )

    def begin(self, utterances: Sequence[torch.Tensor], width: int) -> CompiledState:
        """A state for one utterance of (frames, width of the network), with ``width`` rows."""
        (frames,) = utterances
        keys = torch.stack([_lines(one, one.k_proj(frames)) for one in self._attentions])
        values = torch.stack([_lines(one, one.v_proj(frames)) for one in self._attentions])
        return CompiledState(self._decoder.begin(keys.numpy(), values.numpy(), width))

    def __call__(self, tokens: torch.Tensor, state: CompiledState) -> torch.Tensor:
        """See `Decoder.forward`."""
        log_probs = np.empty((len(tokens), self._vocabulary), np.float32)
        self._decoder.step(tokens.numpy(), state.rows, log_probs)
        return torch.from_numpy(log_probs)


def _lines(attention: Attention, projected: torch.Tensor) -> torch.Tensor:
    """(frames, width) -> (heads, head, frames)."""
    return attention.split(projected[None])[0].transpose(1, 2).contiguous()


def _layer(layer: DecoderLayer) -> dict[str, Any]:
    own, other, mlp = layer.self_attn, layer.encoder_attn, layer.mlp
    together = [weights_of(one) for one in (own.q_proj, own.k_proj, own.v_proj)]
    weights, biases = zip(*together, strict=True)
    hidden = mlp.fc2.in_features
    weight, bias = weights_of(mlp.fc1)
    assert len(weight) == 2 * hidden, "numbers first, then their gates"
    return {
        "norm_self": array_of(layer.input_layernorm.weight),
        "norm_cross": array_of(layer.post_attention_layernorm.weight),
        "norm_mlp": array_of(layer.final_layernorm.weight),
        "query_key_value": (np.concatenate(weights), np.concatenate(biases)),
        "self_out": weights_of(own.o_proj),
        "cross_query": weights_of(other.q_proj),
        "cross_out": weights_of(other.o_proj),
        "gated_in": (weight, bias),
        "out": weights_of(mlp.fc2),
    }
