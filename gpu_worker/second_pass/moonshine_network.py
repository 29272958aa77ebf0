"""Moonshine's network: an encoder of an utterance's samples, and a decoder of its words.

Jeffries et al. (2024), "Moonshine: Speech Recognition for Live Transcription and Voice Commands",
arXiv 2410.15608. There is no spectrogram and no fixed length: convolutions turn 384 samples into a
frame, and both transformers know positions by rotation (RoPE) alone. Parts have the names of the
published weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention, silu

FIRST_KERNEL: Final = 127
LEAST_SAMPLES: Final = FIRST_KERNEL + 64 * (7 - 1 + 3 * (3 - 1))
"""What one frame is made of."""
TOKENS_AT_A_TIME: Final = 32


@dataclass(frozen=True, slots=True)
class MoonshineShape:
    """Sizes of the network, and its special tokens."""

    width: int
    hidden: int
    encoder_layers: int
    decoder_layers: int
    heads: int
    rotated: int
    rotation_base: float
    max_tokens: int
    vocabulary: int
    start: int
    end: int


Angles = tuple[torch.Tensor, torch.Tensor]
"""What a head's numbers are multiplied by, and what their partners are: (positions, head) each."""


class Rotation(nn.Module):
    """Positions as angles: the first ``rotated`` numbers of a head turn, in neighbouring pairs."""

    def __init__(self, shape: MoonshineShape) -> None:
        super().__init__()
        head = shape.width // shape.heads
        pairs = torch.arange(0, shape.rotated, 2, dtype=torch.float32) / shape.rotated
        speeds = torch.zeros(head)
        speeds[: shape.rotated] = (shape.rotation_base**-pairs).repeat_interleave(2)
        partners = torch.arange(head)
        partners[: shape.rotated] ^= 1
        signs = torch.ones(head)
        signs[: shape.rotated : 2] = -1.0
        self.register_buffer("_speeds", speeds, persistent=False)
        self.register_buffer("_partners", partners, persistent=False)
        self.register_buffer("_signs", signs, persistent=False)

    def angles(self, start: int, stop: int) -> Angles:
        """For positions from ``start`` to before ``stop``."""
        speeds, signs = cast(torch.Tensor, self._speeds), cast(torch.Tensor, self._signs)
        positions = torch.arange(start, stop, device=speeds.device, dtype=torch.float32)
        angles = positions[:, None] * speeds
        return angles.cos(), angles.sin() * signs

    def forward(self, heads: torch.Tensor, angles: Angles) -> torch.Tensor:
        """(.., positions, head) turned by `angles`."""
        own, partners = angles
        return heads * own + heads[..., cast(torch.Tensor, self._partners)] * partners


class Attention(nn.Module):
    """Four linear layers; who attends to what is the caller's."""

    def __init__(self, shape: MoonshineShape) -> None:
        super().__init__()
        self._heads = shape.heads
        self.q_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.k_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)

    def split(self, projected: torch.Tensor) -> torch.Tensor:
        """(batch, positions, width) -> (batch, heads, positions, head)."""
        return projected.view(*projected.shape[:-1], self._heads, -1).transpose(1, 2)

    def joined(self, attended: torch.Tensor) -> torch.Tensor:
        """(batch, heads, positions, head) -> (batch, positions, width)."""
        out: torch.Tensor = self.o_proj(attended.transpose(1, 2).flatten(-2))
        return out


class Mlp(nn.Module):
    """Two linear layers; ``gated`` ones multiply half of the hidden numbers by SiLU of the rest."""

    def __init__(self, shape: MoonshineShape, *, gated: bool) -> None:
        super().__init__()
        self._gated = gated
        self.fc1 = nn.Linear(shape.width, shape.hidden * (2 if gated else 1))
        self.fc2 = nn.Linear(shape.hidden, shape.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.fc1(x)
        if self._gated:
            value, gate = hidden.chunk(2, -1)
            hidden = value * silu(gate)
        else:
            hidden = gelu(hidden)
        out: torch.Tensor = self.fc2(hidden)
        return out


class EncoderLayer(nn.Module):
    def __init__(self, shape: MoonshineShape) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(shape.width, bias=False)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.LayerNorm(shape.width, bias=False)
        self.mlp = Mlp(shape, gated=False)

    def forward(self, x: torch.Tensor, rotation: Rotation, angles: Angles) -> torch.Tensor:
        """(1, frames, width), every frame with every other."""
        own = self.self_attn
        normed = self.input_layernorm(x)
        queries = rotation(own.split(own.q_proj(normed)), angles)
        keys = rotation(own.split(own.k_proj(normed)), angles)
        values = own.split(own.v_proj(normed))
        x = x + own.joined(scaled_dot_product_attention(queries, keys, values))
        out: torch.Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Encoder(nn.Module):
    """Samples to frames, an utterance at a time: its norm over time knows of no padding."""

    def __init__(self, shape: MoonshineShape) -> None:
        super().__init__()
        width = shape.width
        self.conv1 = nn.Conv1d(1, width, FIRST_KERNEL, stride=64, bias=False)
        self.groupnorm = nn.GroupNorm(1, width)
        self.conv2 = nn.Conv1d(width, 2 * width, 7, stride=3)
        self.conv3 = nn.Conv1d(2 * width, width, 3, stride=2)
        self.rotation = Rotation(shape)
        self.layers = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.encoder_layers))
        self.layer_norm = nn.LayerNorm(width, bias=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """(n,) float32 in -1..1, at least `LEAST_SAMPLES`, at 16 kHz -> (frames, width)."""
        x = self.groupnorm(torch.tanh(self.conv1(samples[None, None])))
        x = gelu(self.conv3(gelu(self.conv2(x)))).transpose(1, 2)
        angles = self.rotation.angles(0, x.shape[1])
        for layer in self.layers:
            x = layer(x, self.rotation, angles)
        frames: torch.Tensor = self.layer_norm(x)[0]
        return frames


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
