"""Moonshine's network: an encoder of an utterance's samples, and a decoder of its words.

Jeffries et al. (2024), "Moonshine: Speech Recognition for Live Transcription and Voice Commands",
arXiv 2410.15608. Parts have the names of the published weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from gpu_worker.acoustic.moonshine_encoder import (
    Angles,
    Attention,
    Encoder,
    EncoderShape,
    Mlp,
    Rotation,
)

TOKENS_AT_A_TIME: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class MoonshineShape(EncoderShape):
    """Sizes of the network, and its special tokens."""

    decoder_layers: int
    max_tokens: int
    vocabulary: int
    start: int
    end: int


class DecoderState:
    """What the decoder knows of some utterances' frames and of its rows' tokens so far.

    Each utterance has as many rows as its beam is wide, next to each other. They share the keys and
    values of its frames, (layers, utterances, heads, frames, head); ``is_heard`` tells frames from
    padding, (utterances, 1, 1, frames), where there is any.
    """

    def __init__(
        self,
        frame_keys: torch.Tensor,
        frame_values: torch.Tensor,
        is_heard: torch.Tensor | None,
        rows: int,
    ) -> None:
        layers, _, heads, _, head = frame_keys.shape
        self.frame_keys, self.frame_values = frame_keys, frame_values
        self.is_heard = is_heard
        self.length = 0
        """How many tokens each row has."""
        self._tokens = frame_keys.new_empty(2, layers, rows, heads, 0, head)  # keys, values

    def extend(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Takes in one more token, (rows, heads, 1, head): all so far, (2, rows, heads, .., head).

        Every layer does so once before `length` grows.
        """
        if self.length == self._tokens.shape[-2]:
            more = list(self._tokens.shape)
            more[-2] = TOKENS_AT_A_TIME
            self._tokens = torch.cat([self._tokens, self._tokens.new_empty(more)], -2)
        self._tokens[0, layer, :, :, self.length] = key[:, :, 0]
        self._tokens[1, layer, :, :, self.length] = value[:, :, 0]
        return self._tokens[:, layer, :, :, : self.length + 1]

    def follow(self, parents: torch.Tensor) -> None:
        """Row i goes on from what was row ``parents[i]``."""
        known = self._tokens[..., : self.length, :]
        known.copy_(known.index_select(2, parents))


class DecoderLayer(nn.Module):
    def __init__(self, shape: MoonshineShape) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(shape.width, bias=False)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.LayerNorm(shape.width, bias=False)
        self.encoder_attn = Attention(shape)
        self.final_layernorm = nn.LayerNorm(shape.width, bias=False)
        self.mlp = Mlp(shape, gated=True)

    def forward(
        self,
        x: torch.Tensor,
        number: int,
        state: DecoderState,
        rotation: Rotation,
        angles: Angles,
    ) -> torch.Tensor:
        """(rows, 1, width): the newest token of each row."""
        own = self.self_attn
        normed = self.input_layernorm(x)
        query = rotation(own.split(own.q_proj(normed)), angles)
        key = rotation(own.split(own.k_proj(normed)), angles)
        keys, values = state.extend(number, key, own.split(own.v_proj(normed)))
        x = x + own.joined(scaled_dot_product_attention(query, keys, values))

        other = self.encoder_attn
        keys, values = state.frame_keys[number], state.frame_values[number]
        utterances = keys.shape[0]
        # The rows of an utterance as so many positions: they attend to the same frames.
        query = other.q_proj(self.post_attention_layernorm(x))
        query = other.split(query.view(utterances, -1, query.shape[-1]))
        heard = scaled_dot_product_attention(query, keys, values, attn_mask=state.is_heard)
        x = x + other.joined(heard).view(x.shape)
        out: torch.Tensor = x + self.mlp(self.final_layernorm(x))
        return out


class Decoder(nn.Module):
    """Tokens one at a time, for rows that go on together."""

    def __init__(self, shape: MoonshineShape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.rotation = Rotation(shape)
        self.layers = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.decoder_layers))
        self.norm = nn.LayerNorm(shape.width, bias=False)
        self.output = nn.Linear(shape.width, shape.vocabulary)
        """The published one has no bias: it is for what is never to be said."""

    def forbid(self, tokens: Sequence[int]) -> None:
        """These are never likely; before the layers are rounded."""
        with torch.no_grad():
            self.output.bias[list(tokens)] = -torch.inf

    def begin(self, utterances: Sequence[torch.Tensor], width: int) -> DecoderState:
        """A state for utterances of (frames, width) each, with ``width`` rows for each."""
        frames = nn.utils.rnn.pad_sequence(list(utterances), batch_first=True)
        attentions = [cast(DecoderLayer, layer).encoder_attn for layer in self.layers]
        keys = torch.stack([one.split(one.k_proj(frames)) for one in attentions])
        values = torch.stack([one.split(one.v_proj(frames)) for one in attentions])
        is_heard = None
        if len({len(one) for one in utterances}) > 1:
            lengths = torch.tensor([len(one) for one in utterances], device=frames.device)
            positions = torch.arange(frames.shape[1], device=frames.device)
            is_heard = (positions < lengths[:, None])[:, None, None]
        return DecoderState(keys, values, is_heard, len(utterances) * width)

    def forward(self, tokens: torch.Tensor, state: DecoderState) -> torch.Tensor:
        """The newest token of each row, (rows,), to log-probabilities of the next, (rows, all)."""
        x = self.embed_tokens(tokens)[:, None]
        angles = self.rotation.angles(state.length, state.length + 1)
        for number, layer in enumerate(self.layers):
            x = layer(x, number, state, self.rotation, angles)
        state.length += 1
        logits: torch.Tensor = self.output(self.norm(x)[:, 0])
        return logits.log_softmax(-1)


class MoonshineNetwork(nn.Module):
    """Both halves, with the prefix that the published weights have."""

    def __init__(self, shape: MoonshineShape) -> None:
        super().__init__()
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
