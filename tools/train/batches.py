"""Batch number n of a run, whoever asks and whenever: everything random follows from (seed, n).

So a resumed run sees what an uninterrupted one sees, and worker processes can prepare batches ahead
of the device without changing them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from gpu_worker.acoustic.features import FFT_SAMPLES
from tools.train.dataset import EMISSION_SAMPLES
from tools.train.network import LEFT_EMISSIONS, RIGHT_EMISSIONS, window_samples
from tools.train.recipe import Recipe
from tools.train.segments import Segment, SegmentSampler, emissions_of
from tools.train.windows import cut

CHUNK_EMISSIONS: Final = (16, 8, 4)
CHUNK_SHARES: Final = (0.7, 0.15, 0.15)
_PATIENCE_S: Final = 600


class Batch(NamedTuple):
    """What one step needs: the windows of b segments, one segment's after another's.

    ``pcm`` (windows, n) float32 and ``span`` (windows, 2) int64 are what the engine's model takes;
    n says how long the chunks are. Segment i has ``windows[i]`` of them and ``frames[i]``
    emissions; its text is ``lengths[i]`` of the ``tokens``, which follow each other.
    """

    pcm: torch.Tensor
    span: torch.Tensor
    windows: torch.Tensor
    frames: torch.Tensor
    tokens: torch.Tensor
    lengths: torch.Tensor

    @property
    def chunk(self) -> int:
        """Emissions in a chunk."""
        whole = (self.pcm.shape[1] - window_samples(0)) // EMISSION_SAMPLES
        return whole - LEFT_EMISSIONS - RIGHT_EMISSIONS

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


class Batches(Dataset[Batch]):
    """The training batches of a run, by step."""

    def __init__(self, sampler: SegmentSampler, vocabulary: Sequence[str], recipe: Recipe) -> None:
        self._sampler, self._vocabulary, self._recipe = sampler, vocabulary, recipe

    def __len__(self) -> int:
        return self._recipe.steps

    def __getitem__(self, step: int) -> Batch:
        """Segments until the recipe's number of windows is reached, all with one chunk length."""
        rng = np.random.default_rng([self._recipe.seed, step])
        chunk = int(rng.choice(CHUNK_EMISSIONS, p=CHUNK_SHARES))
        segments: list[Segment] = []
        windows = 0
        while True:
            segment = self._sampler.drawn(rng)
            windows += -(-emissions_of(segment) // chunk)
            if segments and windows > self._recipe.batch:
                return batch_of(segments, self._vocabulary, chunk)
            segments.append(segment)


def loader(batches: Batches, first_step: int, workers: int, pinned: bool) -> Iterator[Batch]:
    """The batches from ``first_step`` on, prepared by ``workers`` processes (0: by this one).

    They come as arrays, through pipes: tensors would come through /dev/shm, and where that is as
    small as in a container, a worker without room there leaves its caller waiting.

    Raises:
        RuntimeError: a worker died, or was silent for `_PATIENCE_S`.
    """
    prepared = DataLoader(
        batches,
        batch_size=None,
        sampler=range(first_step, len(batches)),
        num_workers=workers,
        collate_fn=_arrays,
        timeout=_PATIENCE_S if workers else 0,
    )
    for arrays in prepared:
        batch = Batch(*map(torch.from_numpy, arrays))
        yield Batch(*(tensor.pin_memory() for tensor in batch)) if pinned else batch


def _arrays(batch: Sequence[torch.Tensor]) -> list[NDArray[Any]]:
    return [tensor.numpy() for tensor in batch]


def batch_of(segments: Sequence[Segment], vocabulary: Sequence[str], chunk: int) -> Batch:
    """The windows and tokens of these segments, for chunks of ``chunk`` emissions."""
    left = LEFT_EMISSIONS * EMISSION_SAMPLES + FFT_SAMPLES // 2
    window = window_samples(LEFT_EMISSIONS + chunk + RIGHT_EMISSIONS)
    cuts = [cut(segment.samples, left, chunk * EMISSION_SAMPLES, window) for segment in segments]
    numbers = {letter: number for number, letter in enumerate(vocabulary)}
    arrays = (
        np.concatenate([pcm for pcm, _ in cuts]),
        np.concatenate([span for _, span in cuts]),
        np.array([len(pcm) for pcm, _ in cuts]),
        np.array([emissions_of(segment) for segment in segments]),
        np.array([numbers[letter] for segment in segments for letter in segment.text]),
        np.array([len(segment.text) for segment in segments]),
    )
    return Batch(*(torch.from_numpy(array) for array in arrays))
