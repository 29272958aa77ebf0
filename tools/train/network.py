"""The engine's network as training sees it: windows of any chunk length.

The engine's own `step` is for the chunk that its model directory declares. One set of weights can
serve others, so training draws several; what differs is how much of the window the head reads.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from gpu_worker.acoustic.features import FFT_SAMPLES, HOP_SAMPLES, SILENCE
from gpu_worker.acoustic.whisper_ctc import FUTURE_FRAMES, HEAD_BLOCKS, PAST_FRAMES, WhisperCtc

LEFT_EMISSIONS: Final = 80
RIGHT_EMISSIONS: Final = 8
MEL_PER_EMISSION: Final = 4


def window_samples(emissions: int) -> int:
    """Samples that the features of so many emissions see; 66,800 for a chunk of 640 ms."""
    return (emissions * MEL_PER_EMISSION - 1) * HOP_SAMPLES + FFT_SAMPLES


def masked_features(model: WhisperCtc, pcm: torch.Tensor, span: torch.Tensor) -> torch.Tensor:
    """As `WhisperCtc.masked_features`, for windows of any length."""
    mel: torch.Tensor = model.features(pcm)
    begin, end = ((span - model.margin_samples) // HOP_SAMPLES).unbind(1)
    index = torch.arange(mel.shape[-1], device=mel.device)
    outside = (index < begin[:, None]) | (index >= end[:, None])
    return mel.masked_fill(outside[:, None], SILENCE)


def chunk_logits(model: WhisperCtc, mel: torch.Tensor, chunk: int) -> torch.Tensor:
    """Features (windows, 80, t) -> the logits of each window's chunk (windows, chunk, tokens)."""
    joined = encoded(model, mel)
    first = LEFT_EMISSIONS - HEAD_BLOCKS * PAST_FRAMES
    logits: torch.Tensor = model.head(
        joined[:, first : LEFT_EMISSIONS + chunk + HEAD_BLOCKS * FUTURE_FRAMES]
    )
    return logits


def encoded(model: WhisperCtc, mel: torch.Tensor) -> torch.Tensor:
    """The encoder over windows no longer than the engine's; see `Encoder`."""
    encoder = model.encoder
    hidden = F.gelu(encoder.c2(F.gelu(encoder.c1(mel)))).transpose(1, 2)
    hidden = hidden + encoder.pos[: hidden.shape[1]]
    *lower, top = encoder.layers
    for layer in lower:
        hidden = layer(hidden)
    joined = torch.cat([hidden, encoder.ln(top(hidden))], -1)
    return joined.reshape(joined.shape[0], hidden.shape[1] // 2, -1)
