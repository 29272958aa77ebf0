"""Moonshine's encoder: samples to frames of 24 ms, for whole utterances and for windows of them.

Jeffries et al. (2024), "Moonshine: Speech Recognition for Live Transcription and Voice Commands",
arXiv 2410.15608. There is no spectrogram and no fixed length: convolutions turn 384 samples into a
frame, and positions are known by rotation (RoPE) alone. Parts have the names of the published
weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention, silu

from gpu_worker.acoustic.balance import balance
from gpu_worker.acoustic.compiled_encoder import CompiledLayers, LayerParts
from gpu_worker.acoustic.int8 import Int8Conv1d
from gpu_worker.acoustic.trained_attention import trained_attention

FIRST_KERNEL: Final = 127
FIRST_STRIDE: Final = 64
FRAME_SAMPLES: Final = FIRST_STRIDE * 3 * 2
"""The step from one frame to the next."""
LEAST_SAMPLES: Final = FIRST_KERNEL + FIRST_STRIDE * (7 - 1 + 3 * (3 - 1))
"""What one frame is made of."""
_BALANCING_SAMPLES: Final = 6 * 16_000
_BALANCING_LEVEL: Final = np.float32(0.05)
_NEVER: Final = -30_000.0
"""Added to the scores of frames that nothing may attend to: nothing is left of them in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderShape:
    """Sizes of the encoder; those of its layers are the decoder's too."""

    width: int
    hidden: int
    encoder_layers: int
    heads: int
    rotated: int
    rotation_base: float


_ALL: Final = slice(None)

Angles = tuple[torch.Tensor, torch.Tensor]
"""What a head's numbers are multiplied by, and what their partners are: (positions, head) each."""


class Rotation(nn.Module):
    """Positions as angles: the first ``rotated`` numbers of a head turn, in neighbouring pairs."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        head = shape.width // shape.heads
        pairs = torch.arange(0, shape.rotated, 2, dtype=torch.float32) / shape.rotated
        speeds = torch.zeros(head)
        speeds[: shape.rotated] = (shape.rotation_base**-pairs).repeat_interleave(2)
        signs = torch.ones(head)
        signs[: shape.rotated : 2] = -1.0
        self.register_buffer("_speeds", speeds, persistent=False)
        self.register_buffer("_signs", signs, persistent=False)

    def angles(self, start: int, stop: int) -> Angles:
        """For positions from ``start`` to before ``stop``."""
        speeds, signs = cast(torch.Tensor, self._speeds), cast(torch.Tensor, self._signs)
        positions = torch.arange(start, stop, device=speeds.device, dtype=torch.float32)
        angles = positions[:, None] * speeds
        return angles.cos(), angles.sin() * signs

    def forward(self, heads: torch.Tensor, angles: Angles) -> torch.Tensor:
        """(.., positions, head) turned by `angles`."""
        own, partners = angles[0].to(heads.dtype), angles[1].to(heads.dtype)
        swapped = heads.view(*heads.shape[:-1], -1, 2).flip(-1).flatten(-2)
        turned: torch.Tensor = heads * own + swapped * partners
        return turned


class Attention(nn.Module):
    """Four linear layers; who attends to what is the caller's."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self._heads = shape.heads
        self.q_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.k_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)

    def from_frames(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        """Those of queries, keys and values."""
        return self.q_proj, self.k_proj, self.v_proj

    def split(self, projected: torch.Tensor) -> torch.Tensor:
        """(batch, positions, width) -> (batch, heads, positions, head)."""
        return projected.view(*projected.shape[:-1], self._heads, -1).transpose(1, 2)

    def joined(self, attended: torch.Tensor) -> torch.Tensor:
        """(batch, heads, positions, head) -> (batch, positions, width)."""
        out: torch.Tensor = self.o_proj(attended.transpose(1, 2).flatten(-2))
        return out


class Mlp(nn.Module):
    """Two linear layers; ``gated`` ones multiply half of the hidden numbers by SiLU of the rest."""

    def __init__(self, shape: EncoderShape, *, gated: bool) -> None:
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
    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(shape.width, bias=False)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.LayerNorm(shape.width, bias=False)
        self.mlp = Mlp(shape, gated=False)

    def forward(
        self,
        x: torch.Tensor,
        rotation: Rotation,
        angles: Angles,
        mask: torch.Tensor | None = None,
        wanted: slice = _ALL,
    ) -> torch.Tensor:
        """(batch, frames, width), every frame with every other; only ``wanted`` ones come out.

        ``mask`` (batch, 1, 1, frames) is added to the scores of what is attended to.
        """
        own = self.self_attn
        normed = self.input_layernorm(x)
        turned = angles[0][wanted], angles[1][wanted]
        queries = rotation(own.split(own.q_proj(normed[:, wanted])), turned)
        keys = rotation(own.split(own.k_proj(normed)), angles)
        values = own.split(own.v_proj(normed))
        attend = trained_attention if torch.is_grad_enabled() else scaled_dot_product_attention
        x = x[:, wanted] + own.joined(attend(queries, keys, values, mask))
        out: torch.Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Encoder(nn.Module):
    """Samples to frames. Frame k is made of the `LEAST_SAMPLES` from sample 384 k."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        width = shape.width
        self.conv1 = nn.Conv1d(1, width, FIRST_KERNEL, stride=FIRST_STRIDE, bias=False)
        self.groupnorm = nn.GroupNorm(1, width)
        self.conv2 = nn.Conv1d(width, 2 * width, 7, stride=3)
        self.conv3 = nn.Conv1d(2 * width, width, 3, stride=2)
        self.rotation = Rotation(shape)
        self.layers = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.encoder_layers))
        self.layer_norm = nn.LayerNorm(width, bias=False)
        self._heads = shape.heads
        self._compiled: _Compiled | None = None

    def use_int8(self, *, may_use_amx: bool = True) -> None:
        """Compiles all from the second convolution on, in 8 bits: see `compiled_encoder`.

        But the third: 8 bits of it cost more accuracy than those of all the rest, and it is small.
        """
        self._balance()
        self._compiled = _Compiled(
            Int8Conv1d(self.conv2, "gelu"),
            self.conv3,
            CompiledLayers(
                (_parts(cast(EncoderLayer, layer)) for layer in self.layers),
                self.layer_norm,
                heads=self._heads,
                angles=lambda frames: self.rotation.angles(0, frames),
                may_use_amx=may_use_amx,
            ),
        )

    def _balance(self) -> None:
        """By white noise, which sets the norms' ranges as speech does."""
        noise = np.random.default_rng(0).standard_normal(_BALANCING_SAMPLES, np.float32)
        layers = [cast(EncoderLayer, layer) for layer in self.layers]
        attentions = [(layer.input_layernorm, layer.self_attn.from_frames()) for layer in layers]
        mlps = [(layer.post_attention_layernorm, [layer.mlp.fc1]) for layer in layers]
        balance(lambda: self(torch.from_numpy(noise * _BALANCING_LEVEL)), [*attentions, *mlps])

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """(n,) float32 in -1..1, at least `LEAST_SAMPLES`, at 16 kHz -> (frames, width)."""
        x = self.groupnorm(torch.tanh(self.conv1(samples[None, None])))
        frames: torch.Tensor = self._transformed(x)[0]
        return frames

    def windows(
        self, samples: torch.Tensor, span: torch.Tensor, wanted: slice = _ALL
    ) -> torch.Tensor:
        """(batch, n) float32 in -1..1, of which ``span`` counts -> (batch, ``wanted``, width).

        ``span`` (batch, 2) is the first sample that counts and the one after the last; the rest
        must be zeros. The norm over time is taken over what counts, and only frames whose middle
        384 samples begin in it are attended to: the others do not exist for those that do.
        """
        return self._transformed(*self._sounds(samples, span), wanted)

    def below(
        self, samples: torch.Tensor, span: torch.Tensor, layer: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What `above` makes the result of `windows` of: (batch, frames, width) as they come to a
        layer, and which of them are attended to, (batch, frames). Not in 8 bits."""
        x, heard = self._sounds(samples, span)
        return self._through(self._frames(x), heard, slice(layer)), heard

    def above(self, frames: torch.Tensor, heard: torch.Tensor, layer: int) -> torch.Tensor:
        """Through the layers from number ``layer`` on: see `below`."""
        out: torch.Tensor = self.layer_norm(self._through(frames, heard, slice(layer, None)))
        return out

    def _sounds(
        self, samples: torch.Tensor, span: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, width, steps) after the first convolution, and which frames will be heard."""
        x = torch.tanh(self.conv1(samples[:, None]))
        first, second = span[:, :1], span[:, 1:]
        middles = torch.arange(x.shape[2], device=x.device) * FIRST_STRIDE + FIRST_KERNEL // 2
        counts = ((middles >= first) & (middles < second))[:, None].float()
        x = self._normed(x, counts)
        frames = (x.shape[2] - 13) // 6 + 1
        starts = torch.arange(frames, device=x.device) * FRAME_SAMPLES + FRAME_MARGIN
        return x, (starts >= first) & (starts + FIRST_STRIDE <= second)

    def _normed(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """The group norm of (batch, width, steps) by the steps that count, (batch, 1, steps)."""
        x = x.float()
        total = counts.sum((1, 2), keepdim=True).clamp(min=1) * x.shape[1]
        mean = (x.sum(1, keepdim=True) * counts).sum((1, 2), keepdim=True) / total
        power = (x.square().sum(1, keepdim=True) * counts).sum((1, 2), keepdim=True) / total
        variance = power - mean * mean
        scale = (
            self.groupnorm.weight[:, None] * (variance.clamp(min=0) + self.groupnorm.eps).rsqrt()
        )
        return x * scale + (self.groupnorm.bias[:, None] - mean * scale)

    def _transformed(
        self, x: torch.Tensor, heard: torch.Tensor | None = None, wanted: slice = _ALL
    ) -> torch.Tensor:
        """``heard`` (batch, frames) marks what is attended to."""
        if self._compiled is not None:
            return self._compiled(x, heard, wanted)
        out: torch.Tensor = self.layer_norm(self._through(self._frames(x), heard, _ALL, wanted))
        return out

    def _frames(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, width, steps) through the other convolutions: (batch, frames, width)."""
        return gelu(self.conv3(gelu(self.conv2(x)))).transpose(1, 2)

    def _through(
        self, x: torch.Tensor, heard: torch.Tensor | None, layers: slice, wanted: slice = _ALL
    ) -> torch.Tensor:
        """(batch, frames, width) through ``layers``; ``wanted`` frames come out of the top one."""
        mask = None if heard is None else torch.where(heard, 0.0, _NEVER)[:, None, None]
        angles = self.rotation.angles(0, x.shape[1])
        for layer in self.layers[layers]:
            out = wanted if layer is self.layers[-1] else _ALL
            x = layer(x, self.rotation, angles, mask, out)
        return x


@dataclass(frozen=True, slots=True)
class _Compiled:
    conv2: Int8Conv1d
    conv3: nn.Conv1d
    layers: CompiledLayers

    def __call__(self, x: torch.Tensor, heard: torch.Tensor | None, wanted: slice) -> torch.Tensor:
        steps = self.conv2(x.transpose(1, 2))
        frames = gelu(self.conv3(steps.transpose(1, 2))).transpose(1, 2)
        return self.layers(frames, heard=heard, wanted=wanted)


def _parts(layer: EncoderLayer) -> LayerParts:
    own, mlp = layer.self_attn, layer.mlp
    return LayerParts(
        norm=layer.input_layernorm,
        queries_keys_values=own.from_frames(),
        joined=own.o_proj,
        norm_mlp=layer.post_attention_layernorm,
        into_hidden=mlp.fc1,
        out_of_hidden=mlp.fc2,
    )


FRAME_MARGIN: Final = (LEAST_SAMPLES - FRAME_SAMPLES) // 2 + 1
"""What a frame sees before the 384 samples in its middle, which it stands for."""
