"""The engine's network as training sees it: every frame of a window or of a whole clip.

The engine computes log-probabilities for a chunk only and gives the head frames from both sides as
context. Here the head runs over all frames, with zeros where its convolutions reach beyond the
ends; a frame with its full context gets what the engine computes for it.
"""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from gpu_worker.acoustic.features import FFT_SAMPLES, HOP_SAMPLES, SILENCE
from gpu_worker.acoustic.whisper_ctc import (
    FUTURE_FRAMES,
    PAST_FRAMES,
    WIDTH,
    Encoder,
    Head,
    HeadBlock,
    WhisperCtc,
)

MEL_PER_EMISSION: Final = 4


def all_logits(model: WhisperCtc, mel: torch.Tensor) -> torch.Tensor:
    """Features (batch, 80, t), t a multiple of 4 -> logits (batch, t // 4, vocabulary)."""
    joined = encoded(model.encoder, mel)
    return padded_head(model.head, joined)


def encoded(encoder: Encoder, mel: torch.Tensor) -> torch.Tensor:
    """The encoder over any length; see `Encoder`, whose positions are those of one window."""
    hidden = F.gelu(encoder.c2(F.gelu(encoder.c1(mel)))).transpose(1, 2)
    frames = hidden.shape[1]
    positions = encoder.pos
    if frames > len(positions):
        positions = sinusoids(frames).to(positions)
    hidden = hidden + positions[:frames]
    *lower, top = encoder.layers
    for layer in lower:
        hidden = layer(hidden)
    joined = torch.cat([hidden, encoder.ln(top(hidden))], -1)
    return joined.reshape(joined.shape[0], frames // 2, -1)


def padded_head(head: Head, joined: torch.Tensor) -> torch.Tensor:
    """Logits of every frame, (batch, t, 1536) -> (batch, t, vocabulary)."""
    hidden = head.inp(head.ln(joined))
    for block in head.blocks:
        assert isinstance(block, HeadBlock)
        around = F.pad(block.ln1(hidden).transpose(1, 2), (PAST_FRAMES, FUTURE_FRAMES))
        hidden = hidden + F.silu(block.conv(around)).transpose(1, 2)
        hidden = hidden + block.f2(F.silu(block.f1(block.ln2(hidden))))
    logits: torch.Tensor = head.out(head.ln_out(hidden))
    return logits


def sinusoids(positions: int) -> torch.Tensor:
    """Whisper's position embedding (Vaswani et al., 2017), (positions, 384): sines, cosines."""
    half = WIDTH // 2
    rates = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half, dtype=torch.float64))
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1).float()


def whole_features(model: WhisperCtc, samples: torch.Tensor) -> torch.Tensor:
    """Samples (batch, n) in -32768..32767, n a multiple of 160 -> features (batch, 80, n // 160).

    Frame i is centred on sample 160 i; zeros stand before the first sample and after the last.
    """
    margin = FFT_SAMPLES // 2
    mel: torch.Tensor = model.features(F.pad(samples, (margin, margin)))
    return mel[..., : samples.shape[-1] // HOP_SAMPLES]


def silenced_after(mel: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """Features (batch, 80, t) with those from frame ``frames`` (batch,) on set to silence."""
    outside = torch.arange(mel.shape[-1], device=mel.device) >= frames[:, None]
    return mel.masked_fill(outside[:, None], SILENCE)
