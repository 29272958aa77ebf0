"""The bundled model: Whisper tiny.en's encoder over a sliding window, with a CTC head.

The log-probabilities of a chunk (640 ms) depend on one window of audio: 3.2 s before it, the chunk
and 322.5 ms after it. So the model keeps no state: nothing to reset or rebuild, and a replay of the
same audio gives the same numbers. The field calls this buffered streaming.

    features   (batch, 80, 416), frames before and after the segment are silence
    encoder    two convolutions (the second halves the rate), sinusoids from the window's start,
               4 transformer layers of width 384 (Radford et al., 2022)
    joined     layer 3 beside the normalised layer 4, two neighbours stacked: 1536 wide, 40 ms
    head       5 blocks of depth-wise convolution (11 frames back, 1 ahead) and feed-forward, over
               the chunk and the frames that it sees through the convolutions
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from gpu_worker.acoustic.compiled_whisper import CompiledEncoder, CompiledHead
from gpu_worker.acoustic.features import HOP_SAMPLES, MEL_BINS, SILENCE, LogMel
from models.spec import ModelSpec

WIDTH: Final = 384
ATTENTION_HEADS: Final = 6
LAYERS: Final = 4
HEAD_BLOCKS: Final = 5
PAST_FRAMES: Final = 11
FUTURE_FRAMES: Final = 1
JOINED_WIDTH: Final = 4 * WIDTH


class WhisperCtc(nn.Module):
    """The network with its front end. Attribute names are those of the weights file."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        mel_frames = (spec.window_samples - 2 * spec.margin_samples) // HOP_SAMPLES + 1
        self.seen_by_chunk = slice(
            spec.left_frames - HEAD_BLOCKS * PAST_FRAMES,
            spec.left_frames + spec.chunk_frames + HEAD_BLOCKS * FUTURE_FRAMES,
        )
        self.margin_samples = spec.margin_samples
        self.mel_frames = mel_frames
        self.features = LogMel()
        self.encoder: Encoder | CompiledEncoder = Encoder(mel_frames // 2)
        self.head: Head | CompiledHead = Head(len(spec.vocabulary))
        self.register_buffer("mel_index", torch.arange(mel_frames), persistent=False)

    mel_index: torch.Tensor

    def step(
        self,
        pcm: torch.Tensor,
        span: torch.Tensor,
        rows: torch.Tensor,  # noqa: ARG002 - a windowed model has no state to find
        first: torch.Tensor,  # noqa: ARG002 - nor to reset
    ) -> torch.Tensor:
        """See `AcousticModel.step`."""
        joined = self.encoder(self.masked_features(pcm, span), self.seen_by_chunk)
        logits: torch.Tensor = self.head(joined)
        return logits.log_softmax(-1)

    def use_int8(self) -> None:
        """Compiles all but features and last layer, in 8 bits: see `compiled_whisper`."""
        assert isinstance(self.encoder, Encoder)
        assert isinstance(self.head, Head)
        self.encoder = CompiledEncoder(self.encoder, ATTENTION_HEADS)
        self.head = CompiledHead(self.head, PAST_FRAMES)

    def masked_features(self, pcm: torch.Tensor, span: torch.Tensor) -> torch.Tensor:
        """(batch, 80, mel_frames), with frames that are not centred in ``span`` set to silence.

        Frame j is centred on sample ``margin + 160 j`` of the window. A frame at the segment's end
        counts only if its whole hop lies inside, as n samples have n // 160 frames.
        """
        mel = self.features(pcm)
        begin, end = ((span - self.margin_samples) // HOP_SAMPLES).unbind(1)
        inside = (self.mel_index >= begin[:, None]) & (self.mel_index < end[:, None])
        return torch.where(inside[:, None, :], mel, SILENCE)


class Encoder(nn.Module):
    """Features (batch, 80, t) -> (batch, ``wanted`` of t // 4, 1536)."""

    pos: torch.Tensor

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.c1 = nn.Conv1d(MEL_BINS, WIDTH, 3, padding=1)
        self.c2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("pos", torch.zeros(positions, WIDTH))
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(LAYERS))
        self.ln = nn.LayerNorm(WIDTH)

    def forward(self, mel: torch.Tensor, wanted: slice = slice(None)) -> torch.Tensor:
        hidden = F.gelu(self.c2(F.gelu(self.c1(mel)))).transpose(1, 2) + self.pos
        *lower, top = self.layers
        for layer in lower:
            hidden = layer(hidden)
        joined = torch.cat([hidden, self.ln(top(hidden))], -1)
        return joined.reshape(joined.shape[0], -1, JOINED_WIDTH)[:, wanted]


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward; every frame of the window sees every other."""

    def __init__(self) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.o = nn.Linear(WIDTH, WIDTH)
        self.ln2 = nn.LayerNorm(WIDTH)
        self.f1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.f2 = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        batch, frames, _ = hidden.shape
        qkv = self.qkv(self.ln1(hidden)).view(batch, frames, 3, ATTENTION_HEADS, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        hidden = hidden + self.o(mixed.transpose(1, 2).reshape(batch, frames, WIDTH))
        fed: torch.Tensor = self.f2(F.gelu(self.f1(self.ln2(hidden))))
        return hidden + fed


class Head(nn.Module):
    """Encoder output (batch, t, 1536) -> logits (batch, t - 60, vocabulary)."""

    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(JOINED_WIDTH)
        self.inp = nn.Linear(JOINED_WIDTH, WIDTH)
        self.blocks = nn.ModuleList(HeadBlock() for _ in range(HEAD_BLOCKS))
        self.ln_out = nn.LayerNorm(WIDTH)
        self.out = nn.Linear(WIDTH, vocabulary_size)

    def forward(self, joined: torch.Tensor) -> torch.Tensor:
        hidden = self.inp(self.ln(joined))
        for block in self.blocks:
            hidden = block(hidden)
        logits: torch.Tensor = self.out(self.ln_out(hidden))
        return logits


class HeadBlock(nn.Module):
    """Depth-wise convolution over time, then a feed-forward layer, both residual.

    (batch, t, 384) -> (batch, t - 12, 384): the convolution is not padded, so the frames at both
    ends serve as its context only.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(WIDTH)
        self.conv = nn.Conv1d(WIDTH, WIDTH, PAST_FRAMES + 1 + FUTURE_FRAMES, groups=WIDTH)
        self.ln2 = nn.LayerNorm(WIDTH)
        self.f1 = nn.Linear(WIDTH, 2 * WIDTH)
        self.f2 = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        mixed = F.silu(self.conv(self.ln1(hidden).transpose(1, 2))).transpose(1, 2)
        hidden = hidden[:, PAST_FRAMES:-FUTURE_FRAMES] + mixed
        fed: torch.Tensor = self.f2(F.silu(self.f1(self.ln2(hidden))))
        return hidden + fed
