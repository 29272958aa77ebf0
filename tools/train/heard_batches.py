"""Batches of outputs that were computed once (see `outputs`): only the layers above them learn.

Batch number n follows from (seed, n) alone, as in `batches`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import torch

from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from models.spec import ModelSpec
from tools.train.batches import tokens_of
from tools.train.outputs import HeardSegment, Outputs
from tools.train.recipe import Recipe

_ROUNDED: Final = 20
"""Batches are padded to a multiple of so many frames: matrix routines are compiled for each shape,
which takes longer than a step."""
_NEIGHBOURS: Final = 400
"""In order of length, how far from the first segment of a batch the others are drawn."""
_MASK_EVERY_S: Final = 4.0
_MASK_FRAMES: Final = (2, 9)


class HeardBatch(NamedTuple):
    """``inputs`` (segments, frames, width) bfloat16 come to layer number ``layer``; ``heard``
    (segments, frames) marks what is not padding. The rest is as in `Batch`."""

    inputs: torch.Tensor
    heard: torch.Tensor
    layer: int
    frames: torch.Tensor
    tokens: torch.Tensor
    lengths: torch.Tensor

    def to(self, device: torch.device) -> HeardBatch:
        moved = (part.to(device) if isinstance(part, torch.Tensor) else part for part in self)
        return HeardBatch(*moved)  # type: ignore[arg-type]

    def log_probs(self, model: MoonshineCtc) -> torch.Tensor:
        """(frames, segments, vocabulary)."""
        in_bfloat16 = torch.is_autocast_enabled(self.inputs.device.type)
        inputs = self.inputs if in_bfloat16 else self.inputs.float()
        logits = model.head(model.encoder.above(inputs, self.heard, self.layer))
        out: torch.Tensor = logits.float().log_softmax(-1).transpose(0, 1)
        return out


class HeardBatches:
    """The training batches of a run, by step."""

    def __init__(self, outputs: Outputs, spec: ModelSpec, recipe: Recipe) -> None:
        self._outputs, self._spec, self._recipe = outputs, spec, recipe
        self._frame_s = spec.frame_s
        self._by_length = sorted(outputs.segments, key=lambda segment: segment.frames)

    def since(self, step: int) -> Iterator[HeardBatch]:
        """From this step on."""
        return (self[n] for n in range(step, self._recipe.steps))

    def __getitem__(self, step: int) -> HeardBatch:
        """Segments of about the same length, with short stretches masked."""
        rng = np.random.default_rng([self._recipe.seed, step])
        first = int(rng.integers(len(self._by_length)))
        most = self._rounded(self._by_length[first].frames)
        count = max(1, int(self._recipe.batch / (most * self._frame_s)))
        low, high = first - _NEIGHBOURS, first + _NEIGHBOURS + 1
        near = [i for i in range(max(0, low), min(len(self._by_length), high)) if i != first]
        others: list[int] = []
        if near:
            others = rng.choice(near, min(count - 1, len(near)), replace=False).tolist()
        return self._batch([self._by_length[i] for i in (first, *others)], rng)

    def _batch(self, segments: list[HeardSegment], rng: np.random.Generator) -> HeardBatch:
        longest = self._rounded(max(segment.frames for segment in segments))
        width = self._outputs.frames.shape[1]
        inputs = torch.zeros(len(segments), longest, width, dtype=torch.bfloat16)
        for row, segment in zip(inputs, segments, strict=True):
            row[: segment.frames] = self._outputs.of(segment)
            for _ in range(rng.poisson(segment.frames * self._frame_s / _MASK_EVERY_S)):
                start = int(rng.integers(segment.frames))
                row[start : start + int(rng.integers(*_MASK_FRAMES))] = 0
        frames = torch.tensor([segment.frames for segment in segments])
        tokens, lengths = tokens_of([segment.text for segment in segments], self._spec)
        return HeardBatch(
            inputs,
            torch.arange(longest)[None] < frames[:, None],
            self._outputs.summary["layers"],
            frames,
            torch.from_numpy(tokens),
            torch.from_numpy(lengths),
        )

    @staticmethod
    def _rounded(frames: int) -> int:
        return -(-frames // _ROUNDED) * _ROUNDED
