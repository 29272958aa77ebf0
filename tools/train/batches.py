"""Batch number n of a run, whoever asks and whenever: everything random follows from (seed, n).

So a resumed run sees what an uninterrupted one sees, and worker processes can prepare batches ahead
of the device without changing them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from models.spec import ModelSpec
from tools.train.recipe import Recipe, RecipeError
from tools.train.segments import Segment, SegmentSampler
from tools.train.windows import cut

CHUNK_FRAMES: Final = (25, 50, 75)
CHUNK_SHARES: Final = (0.25, 0.35, 0.4)
LEAST_LEFT_FRAMES: Final = 60
"""The shortest past of a window; the longest is the engine's."""
MORE_RIGHT_FRAMES: Final = 5
"""Up to so many frames more than in the engine's windows come after a chunk, so that the weights
also serve a geometry that hears further ahead."""
WHOLE_SHARE: Final = 0.4
WINDOWED_TIMES: Final = 2
"""So much more time windows have than whole segments, or there would be one segment in a step."""
_PATIENCE_S: Final = 600


class Lesson(Protocol):
    """What a step learns from: ``frames``, ``tokens`` and ``lengths`` as in `Batch`."""

    @property
    def frames(self) -> torch.Tensor: ...

    @property
    def tokens(self) -> torch.Tensor: ...

    @property
    def lengths(self) -> torch.Tensor: ...

    def to(self, device: torch.device) -> Self: ...

    def log_probs(self, model: MoonshineCtc) -> torch.Tensor:
        """(frames, segments, vocabulary)."""
        ...


class Batch(NamedTuple):
    """Windows of one length, one segment's after another's.

    ``pcm`` (windows, n) float32 and ``span`` (windows, 2) int64 are what the engine's model takes;
    ``geometry`` (2,) is how many frames of a window come before its chunk, and the chunk's. Segment
    i has ``windows[i]`` of them and ``frames[i]`` emissions; its text is ``lengths[i]`` of the
    ``tokens``, which follow each other.
    """

    pcm: torch.Tensor
    span: torch.Tensor
    geometry: torch.Tensor
    windows: torch.Tensor
    frames: torch.Tensor
    tokens: torch.Tensor
    lengths: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))

    def log_probs(self, model: MoonshineCtc) -> torch.Tensor:
        """(frames, segments, vocabulary): each segment's chunks side by side."""
        logits = model.logits(self.pcm, self.span, *self.geometry.tolist())
        chunks = torch.split(logits.float().log_softmax(-1), self.windows.tolist())
        return torch.nn.utils.rnn.pad_sequence([own.flatten(0, 1) for own in chunks])


class Batches(Dataset[Batch]):
    """The training batches of a run, by step."""

    def __init__(self, sampler: SegmentSampler, spec: ModelSpec, recipe: Recipe) -> None:
        """Raises RecipeError where the model's windows are too short to learn from."""
        if spec.left_frames < LEAST_LEFT_FRAMES:
            raise RecipeError(
                f"{spec.directory}: left_frames must be at least {LEAST_LEFT_FRAMES} for a model "
                f"to be trained in windows, not {spec.left_frames}"
            )
        self._sampler, self._spec, self._recipe = sampler, spec, recipe

    def __len__(self) -> int:
        return self._recipe.steps

    def __getitem__(self, step: int) -> Batch:
        """Whole segments, or, in most steps after the first ones, the engine's windows.

        Of the latter most have longer chunks than the engine's, which cost less, a shorter past
        and a little more to come.
        """
        recipe = self._recipe
        rng = np.random.default_rng([recipe.seed, step])
        frames = recipe.batch * self._spec.sample_rate_hz // self._spec.frame_samples
        if step < recipe.whole_steps or rng.random() < WHOLE_SHARE:
            return self._whole(frames, rng)
        return self._windowed(WINDOWED_TIMES * frames, rng)

    def _whole(self, frames: int, rng: np.random.Generator) -> Batch:
        """Segments of about the same length, each in a window of its own."""
        segments = [self._sampler.drawn(rng)]
        while len(segments) * self._length(segments[0]) < frames:
            segments.append(self._sampler.drawn(rng, like=segments[0]))
        room = 1 + max(map(self._length, segments))  # for what is less than a hop
        return batch_of(segments, self._spec, 0, room, 0)

    def _windowed(self, frames: int, rng: np.random.Generator) -> Batch:
        """Segments until the windows have so many frames together, at least one."""
        chunk = int(rng.choice(CHUNK_FRAMES, p=CHUNK_SHARES))
        left = int(rng.integers(LEAST_LEFT_FRAMES, self._spec.left_frames, endpoint=True))
        right = right_frames(self._spec) + int(rng.integers(MORE_RIGHT_FRAMES, endpoint=True))
        segments: list[Segment] = []
        while True:
            segment = self._sampler.drawn(rng)
            frames -= -(-self._length(segment) // chunk) * (left + chunk + right)
            if segments and frames < 0:
                return batch_of(segments, self._spec, left, chunk, right)
            segments.append(segment)

    def _length(self, segment: Segment) -> int:
        return max(1, self._spec.frames_of(len(segment.samples)))


def right_frames(spec: ModelSpec) -> int:
    """How many frames of a window come after its chunk."""
    return spec.right_samples // spec.frame_samples


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


def tokens_of(texts: Sequence[str], spec: ModelSpec) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The letters' numbers in the vocabulary, text after text, and how many each text has."""
    numbers = {letter: number for number, letter in enumerate(spec.vocabulary)}
    tokens = np.array([numbers[letter] for text in texts for letter in text])
    return tokens, np.array([len(text) for text in texts])


def batch_of(
    segments: Sequence[Segment], spec: ModelSpec, left: int, chunk: int, right: int
) -> Batch:
    """The windows and tokens of these segments, for windows of so many frames."""
    beside = spec.window_samples - spec.frame_samples * (
        spec.left_frames + spec.chunk_frames + right_frames(spec)
    )
    window = spec.frame_samples * (left + chunk + right) + beside
    before = spec.frame_samples * left + spec.margin_samples
    cuts = [cut(s.samples, before, spec.frame_samples * chunk, window) for s in segments]
    arrays = (
        np.concatenate([pcm for pcm, _ in cuts]),
        np.concatenate([span for _, span in cuts]),
        np.array([left, chunk]),
        np.array([len(pcm) for pcm, _ in cuts]),
        np.array([spec.frames_of(len(segment.samples)) for segment in segments]),
        *tokens_of([segment.text for segment in segments], spec),
    )
    return Batch(*(torch.from_numpy(array) for array in arrays))
