"""The geometry of a cache-aware streaming FastConformer with a CTC head, with random weights.

What a larger model costs a step, measured and counted before there are weights for it. The shape is
that of the public English checkpoints of about 114 million parameters (Noroozi et al., Stateful
Conformer with Cache-based Inference for Streaming ASR, 2024; Rekesh et al., Fast Conformer, 2023),
whose count includes a transducer's decoder that CTC has no use for. It keeps to
`gpu_worker.acoustic.contract`: a row of caches for each slot, gathered and scattered in the step.

    features     (batch, 80, 56): a chunk of 560 ms, with 15 ms of look-ahead for its last frame
    subsampling  three convolutions of stride 2, the last two separable: a frame is 80 ms
    17 layers    half feed-forward, attention, causal convolution of 9 frames, half feed-forward;
                 a chunk's 7 frames see each other and the 70 before them, whose keys and values are
                 cached; positions are relative (Dai et al., Transformer-XL, 2019)
    head         1024 word pieces and the blank

`whole` computes an utterance at once under the same mask: the tests hold the two together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

from gpu_worker.acoustic.features import HOP_SAMPLES, MEL_BINS, SAMPLE_RATE_HZ, LogMel
from models.spec import ModelSpec

SUBSAMPLING: Final = 8
FFT_OVERLAP_SAMPLES: Final = 240


@dataclass(frozen=True, slots=True)
class Shape:
    """The published sizes; tests take smaller ones."""

    layers: int = 17
    width: int = 512
    heads: int = 8
    channels: int = 256  # of the subsampling's convolutions
    kernel: int = 9
    left_frames: int = 70
    chunk_frames: int = 7
    vocabulary: int = 1025


class Caches(NamedTuple):
    """What is kept of each row, first dimension rows."""

    keys: torch.Tensor  # (rows, layers, left_frames, width)
    values: torch.Tensor
    convolved: torch.Tensor  # (rows, layers, kernel - 1, width)
    mel: torch.Tensor  # (rows, 1, 1, 80): the last frame before the chunk, of each stage
    second: torch.Tensor  # (rows, channels, 1, 40)
    third: torch.Tensor  # (rows, channels, 1, 20)
    filled: torch.Tensor  # (rows,) int64: frames that the cached keys stand for


def spec_of(shape: Shape) -> ModelSpec:
    """What a model directory would declare."""
    return ModelSpec(
        directory=Path(),
        name="cache-aware FastConformer CTC, random weights",
        architecture="fastconformer-ctc",
        sample_rate_hz=SAMPLE_RATE_HZ,
        frame_samples=SUBSAMPLING * HOP_SAMPLES,
        hop_samples=HOP_SAMPLES,
        chunk_frames=shape.chunk_frames,
        left_frames=0,
        right_samples=FFT_OVERLAP_SAMPLES,
        margin_samples=0,
        vocabulary=(*(f"piece {number}" for number in range(shape.vocabulary - 1)), ""),
        blank=shape.vocabulary - 1,
        stateful=True,
        alpha=0.0,
        beta=0.0,
        least_support=0.0,
        sure_support=0.0,
        missed_nats_per_s=0.0,
        weights=None,
        language_model=None,
        second_pass=None,
    )


class FastConformer(nn.Module):
    """The network with its caches: one row for each of ``slots``, and row 0 for padding."""

    def __init__(self, shape: Shape, slots: int) -> None:
        super().__init__()
        self.shape = shape
        self.features = LogMel()
        self.subsampling = Subsampling(shape)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.out = nn.Linear(shape.width, shape.vocabulary)
        for name, tensor in empty(shape, slots + 1)._asdict().items():
            self.register_buffer(f"cached_{name}", tensor, persistent=False)
        near = shape.left_frames + torch.arange(shape.chunk_frames)
        self.register_buffer("distances", distances(near, self._reach), persistent=False)

    distances: torch.Tensor

    @property
    def _reach(self) -> int:
        return self.shape.left_frames + self.shape.chunk_frames

    @property
    def caches(self) -> Caches:
        """Of all rows."""
        return Caches._make(getattr(self, f"cached_{name}") for name in Caches._fields)

    @property
    def state_bytes(self) -> int:
        """What a step reads and writes of a row, in float32."""
        return sum(tensor[0].numel() * tensor.element_size() for tensor in self.caches)

    def step(
        self,
        pcm: torch.Tensor,
        span: torch.Tensor,  # noqa: ARG002 - samples behind a segment are silence here
        rows: torch.Tensor,
        first: torch.Tensor,
    ) -> torch.Tensor:
        """See `AcousticModel.step`."""
        kept = [tensor.index_select(0, rows) for tensor in self.caches]
        before = Caches._make(_forgotten(tensor, first) for tensor in kept)
        log_probs, after = self._chunk(self.features(pcm), before)
        for tensor, new in zip(self.caches, after, strict=True):
            tensor.index_copy_(0, rows, new)
        return log_probs

    def whole(self, pcm: torch.Tensor) -> torch.Tensor:
        """(batch, chunks * chunk samples + 240) -> (batch, frames, vocabulary), at once."""
        mel = self.features(pcm)
        nothing = empty(self.shape, mel.shape[0])
        hidden, *_ = self.subsampling(mel, nothing.mel, nothing.second, nothing.third)
        frames = torch.arange(hidden.shape[1])
        chunk, left = self.shape.chunk_frames, self.shape.left_frames
        begins = frames // chunk * chunk
        keys = frames[None]
        seen = (keys < begins[:, None] + chunk) & (keys >= begins[:, None] - left)
        relative = distances(frames, len(frames))
        for number, layer in enumerate(self.layers):
            none = nothing.keys[:, number, :0], nothing.values[:, number, :0]
            hidden, *_ = layer(hidden, *none, nothing.convolved[:, number], seen[None], relative)
        return self._log_probs(hidden)

    def _chunk(self, mel: torch.Tensor, before: Caches) -> tuple[torch.Tensor, Caches]:
        hidden, *stages = self.subsampling(mel, before.mel, before.second, before.third)
        place = torch.arange(self._reach, device=mel.device)
        seen = place >= self.shape.left_frames - before.filled[:, None]
        keys, values, convolved = [], [], []
        for number, layer in enumerate(self.layers):
            past = (tensor[:, number] for tensor in before[:3])
            hidden, key, value, tail = layer(hidden, *past, seen[:, None], self.distances)
            keys.append(key[:, -self.shape.left_frames :])
            values.append(value[:, -self.shape.left_frames :])
            convolved.append(tail)
        filled = (before.filled + self.shape.chunk_frames).clamp(max=self.shape.left_frames)
        stacked = (torch.stack(tensors, 1) for tensors in (keys, values, convolved))
        return self._log_probs(hidden), Caches._make((*stacked, *stages, filled))

    def _log_probs(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.out(hidden)
        return logits.log_softmax(-1)


class Subsampling(nn.Module):
    """Features (batch, 80, 8 t) -> (batch, t, width), and the last frame of each stage's input.

    A stage's frame sees its two of the stage before and one more: that one is cached.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels = shape.channels
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=(0, 1))
        self.deep = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, stride=2, padding=(0, 1), groups=channels)
            for _ in range(2)
        )
        self.wide = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.out = nn.Linear(channels * MEL_BINS // SUBSAMPLING, shape.width)

    def forward(
        self, mel: torch.Tensor, *before: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        last = []
        hidden = mel.transpose(1, 2)[:, None]
        for number, past in enumerate(before):
            last.append(hidden[:, :, -1:])
            hidden = torch.cat([past, hidden], 2)
            if number == 0:
                hidden = F.relu(self.first(hidden))
            else:
                hidden = F.relu(self.wide[number - 1](self.deep[number - 1](hidden)))
        hidden = hidden.transpose(1, 2).flatten(2)
        return self.out(hidden), last[0], last[1], last[2]


class Layer(nn.Module):
    """A Conformer block: (batch, t, width) and its past -> the same, and what becomes its past."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.before = FeedForward(width)
        self.attention = Attention(width, shape.heads)
        self.ln_conv = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.conv = nn.Conv1d(width, width, shape.kernel, groups=width)
        self.ln_convolved = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)
        self.after = FeedForward(width)
        self.ln_out = nn.LayerNorm(width)

    def forward(
        self,
        hidden: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        convolved: torch.Tensor,
        seen: torch.Tensor,
        relative: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        hidden = hidden + 0.5 * self.before(hidden)
        attended, keys, values = self.attention(hidden, keys, values, seen, relative)
        hidden = hidden + attended
        gated = torch.cat([convolved, F.glu(self.gate(self.ln_conv(hidden)), -1)], 1)
        mixed = self.conv(gated.transpose(1, 2)).transpose(1, 2)
        hidden = hidden + self.mix(F.silu(self.ln_convolved(mixed)))
        hidden = self.ln_out(hidden + 0.5 * self.after(hidden))
        return hidden, keys, values, gated[:, -convolved.shape[1] :]


class FeedForward(nn.Module):
    """Pre-norm, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(width)
        self.f1 = nn.Linear(width, 4 * width)
        self.f2 = nn.Linear(4 * width, width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        fed: torch.Tensor = self.f2(F.silu(self.f1(self.ln(hidden))))
        return fed


class Attention(nn.Module):
    """Self-attention with relative positions over the cached frames and the new ones."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.position = nn.Linear(width, width, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(heads, 1, width // heads))
        self.position_bias = nn.Parameter(torch.zeros(heads, 1, width // heads))
        self.o = nn.Linear(width, width)

    def forward(
        self,
        hidden: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        seen: torch.Tensor,
        relative: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """``seen`` (batch or 1, queries or 1, keys) bool, ``relative`` (queries, keys) as from
        `distances`.
        """
        query, key, value = self.qkv(self.ln(hidden)).chunk(3, -1)
        keys, values = torch.cat([keys, key], 1), torch.cat([values, value], 1)
        places = self.position(sinusoids(relative, hidden.shape[-1]))
        q, k, v, p = (self._split(tensor) for tensor in (query, keys, values, places[None]))
        content = (q + self.content_bias) @ k.transpose(2, 3)
        by_distance = (q + self.position_bias) @ p.transpose(2, 3)
        index = (relative - relative.min()).expand(*by_distance.shape[:2], -1, -1)
        scores = (content + by_distance.gather(3, index)) / math.sqrt(q.shape[-1])
        weights = scores.masked_fill(~seen[:, None], -math.inf).softmax(-1)
        mixed: torch.Tensor = self.o((weights @ v).transpose(1, 2).flatten(2))
        return mixed, keys, values

    def _split(self, tensor: torch.Tensor) -> torch.Tensor:
        """(batch, t, width) -> (batch, heads, t, width / heads)."""
        return tensor.view(*tensor.shape[:2], self.heads, -1).transpose(1, 2)


def empty(shape: Shape, rows: int) -> Caches:
    """The caches before a segment's first chunk."""
    past = (rows, shape.layers, shape.left_frames, shape.width)
    return Caches(
        torch.zeros(past),
        torch.zeros(past),
        torch.zeros(rows, shape.layers, shape.kernel - 1, shape.width),
        torch.zeros(rows, 1, 1, MEL_BINS),
        torch.zeros(rows, shape.channels, 1, MEL_BINS // 2),
        torch.zeros(rows, shape.channels, 1, MEL_BINS // 4),
        torch.zeros(rows, dtype=torch.int64),
    )


def distances(queries: torch.Tensor, keys: int) -> torch.Tensor:
    """(queries, keys): how many frames each query, a place among the keys, is behind each key."""
    return queries[:, None] - torch.arange(keys)


def sinusoids(relative: torch.Tensor, width: int) -> torch.Tensor:
    """(distances, width) for every distance from the least in ``relative`` to the greatest.

    The least is that of the first query to the last key, the greatest of the last to the first, so
    that no look at the numbers is needed, which a CUDA graph could not capture.
    """
    queries, keys = relative.shape
    count = queries + keys - 1
    places = relative[0, -1] + torch.arange(count, device=relative.device)
    halves = torch.arange(width // 2, device=relative.device)
    angles = places[:, None] * torch.exp(-math.log(10_000) * 2 * halves / width)
    return torch.cat([angles.sin(), angles.cos()], -1)


def build(device: torch.device, slots: int, shape: Shape | None = None) -> FastConformer:
    """The network with the same random weights at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(114)
        model = FastConformer(shape or Shape(), slots)
    return model.to(device).eval()


def _forgotten(tensor: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Zeros in the rows where a segment begins."""
    return torch.where(first.view(-1, *[1] * (tensor.dim() - 1)), 0, tensor)
