"""Batch number n of a run, whoever asks and whenever: everything random follows from (seed, n).

So a resumed run sees what an uninterrupted one sees, and worker processes can prepare batches ahead
of the device without changing them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from gpu_worker.acoustic.features import MEL_BINS
from tools.train.augment import augmented, masks
from tools.train.network import MEL_PER_EMISSION
from tools.train.recipe import Recipe
from tools.train.windows import Windows, WindowSampler, collapsed, supervised


class Batch(NamedTuple):
    """What one step needs: see `Windows` for ``pcm`` and ``span``.

    The text is known for ``frames`` (batch,) emissions from ``first`` (batch,) on; it is
    ``lengths`` (batch,) of the ``tokens``, which follow each other. ``hidden`` (batch, 80, 4 e)
    marks masked features.
    """

    pcm: torch.Tensor
    span: torch.Tensor
    first: torch.Tensor
    frames: torch.Tensor
    tokens: torch.Tensor
    lengths: torch.Tensor
    hidden: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


class Batches(Dataset[Batch]):
    """The training batches of a run, by step."""

    def __init__(self, sampler: WindowSampler, recipe: Recipe) -> None:
        self._sampler, self._recipe = sampler, recipe

    def __len__(self) -> int:
        return self._recipe.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self._recipe.seed, step])
        windows = self._sampler.batch(self._sampler.training, self._recipe.batch, rng)
        pcm = np.stack([augmented(row, windows.pcm, rng) for row in windows.pcm])
        frames = windows.path.shape[1] * MEL_PER_EMISSION
        return _tensors(windows, pcm, masks(len(pcm), MEL_BINS, frames, rng))


def loader(batches: Batches, first_step: int, workers: int, pinned: bool) -> DataLoader[Batch]:
    """The batches from ``first_step`` on, prepared by ``workers`` processes (0: by this one)."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first_step, len(batches)),
        num_workers=workers,
        pin_memory=pinned,
    )


def validation_batch(sampler: WindowSampler, number: int, size: int) -> Batch:
    """Windows of clips kept out of training, as they are; the same for the same ``number``."""
    windows = sampler.batch(sampler.validation, size, np.random.default_rng([0, number]))
    hidden = np.zeros((size, MEL_BINS, windows.path.shape[1] * MEL_PER_EMISSION), np.bool_)
    return _tensors(windows, windows.pcm, hidden)


def _tensors(windows: Windows, pcm: NDArray[np.float32], hidden: NDArray[np.bool_]) -> Batch:
    bounds = [supervised(path) for path in windows.path]
    texts = [
        collapsed(path[first:end]) for path, (first, end) in zip(windows.path, bounds, strict=True)
    ]
    arrays = (
        pcm,
        windows.span,
        np.array([first for first, _ in bounds]),
        np.array([end - first for first, end in bounds]),
        np.concatenate(texts).astype(np.int64),
        np.array([len(text) for text in texts]),
        hidden,
    )
    return Batch(*(torch.from_numpy(array) for array in arrays))
