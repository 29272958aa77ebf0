"""A model small enough to be run thousands of times: tokens in the samples, seen through a window.

Like the echo model it says what the samples name, but it has context on both sides, a hop shorter
than its frame, and log-probabilities in which every sample of the window shows. At 20 Hz a minute
of audio is a ring of 2048 samples.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding import FrameHypothesis, FrameWord, ScoredText
from models.spec import ModelSpec
from shm.layout import Geometry

TINY: Final = ModelSpec(
    directory=Path(),
    name="tiny",
    architecture="tiny",
    sample_rate_hz=20,
    frame_samples=2,
    hop_samples=1,
    chunk_frames=32,
    left_frames=3,
    right_samples=5,
    margin_samples=1,
    vocabulary=("", " ", "a", "b", "c", "d"),
    blank=0,
    stateful=False,
    alpha=0.7,
    beta=1.5,
    least_support=14.0,
    sure_support=6.0,
    missed_nats_per_s=50.0,
    weights=None,
    language_model=None,
    second_pass=None,
)


def geometry_of(
    spec: ModelSpec,
    *,
    slots: int = 1,
    frontends: int = 1,
    workers: int = 1,
    decoders: int = 1,
    second_passes: int = 0,
) -> Geometry:
    """A plane for ``spec``."""
    return Geometry(
        slots,
        frontends,
        workers,
        decoders,
        spec.sample_rate_hz,
        spec.chunk_frames,
        spec.frame_samples,
        len(spec.vocabulary),
        second_passes,
    )


def spoken(text: str, spec: ModelSpec = TINY) -> NDArray[np.int16]:
    """A frame of audio per character of ``text``; "_" is silence."""
    tokens = [spec.blank if c == "_" else spec.vocabulary.index(c) for c in text]
    return np.repeat(np.array(tokens, np.int16), spec.frame_samples)


def tiny_log_probs(
    window: NDArray[np.int16], span: tuple[int, int], *, first: bool, spec: ModelSpec = TINY
) -> NDArray[np.float32]:
    """(window_samples,) -> (chunk_frames, vocabulary), all of it a function of the arguments."""
    assert 0 <= span[0] <= span[1] <= spec.window_samples, "the segment is seen in its window"
    middles = spec.left_samples + np.arange(spec.chunk_frames) * spec.frame_samples + 1
    tokens = np.clip(window[middles], 0, len(spec.vocabulary) - 1)
    trace = zlib.crc32(window.tobytes() + bytes((*span, first))) / 2**32
    log_probs = np.full((spec.chunk_frames, len(spec.vocabulary)), -20.0 - trace, np.float32)
    log_probs[np.arange(spec.chunk_frames), tokens] = 0.0
    return log_probs


class TinyStepper:
    """`gpu_worker.stepper.Stepper` over `tiny_log_probs`."""

    def __init__(self, batch: int = 2, spec: ModelSpec = TINY) -> None:
        self.batch = batch
        self.runs: list[int] = []
        self._spec = spec
        self._windows = np.zeros((batch, spec.window_samples), np.int16)
        self._first = [False] * batch
        self._spans = [(0, 0)] * batch

    def stage(self, item: int, slot_row: int, *, first: bool) -> NDArray[np.int16]:
        assert slot_row > 0, "row 0 is for padding"
        self._first[item] = first
        window: NDArray[np.int16] = self._windows[item]
        window.fill(0)
        return window

    def bound(self, item: int, begin: int, end: int) -> None:
        self._spans[item] = (begin, end)

    def run(self, items: int) -> NDArray[np.float32]:
        self.runs.append(items)
        return np.stack(
            [
                tiny_log_probs(
                    self._windows[item],
                    self._spans[item],
                    first=self._first[item],
                    spec=self._spec,
                )
                for item in range(items)
            ]
        )


class SpellingSearch:
    """The likeliest token of every frame, held ones once: letters make words, spaces end them.

    The confidence of a hypothesis is a checksum of all log-probabilities that it was made from.
    """

    def __init__(self, spec: ModelSpec = TINY) -> None:
        self._vocabulary = spec.vocabulary
        self.reset()

    def reset(self) -> None:
        self._tokens: list[str] = []
        self._trace = 0

    def advance(self, log_probs: NDArray[np.float32]) -> None:
        self._tokens += [self._vocabulary[token] for token in log_probs.argmax(1)]
        self._trace = zlib.crc32(log_probs.tobytes(), self._trace)

    def partial(self) -> FrameHypothesis:
        words: list[FrameWord] = []
        letters, start, end, held = "", 0, 0, ""
        for frame, token in enumerate([*self._tokens, " "]):
            if token == " " and letters:
                words.append(FrameWord(letters, 0.5, start, end, stable=False))
                letters = ""
            elif token not in {"", " ", held}:
                start = start if letters else frame
                letters += token
                end = frame + 1
            held = token
        return FrameHypothesis(tuple(words), float(np.float32(self._trace / 2**32)))

    def final(self) -> FrameHypothesis:
        return self.partial()

    def n_best(self, count: int) -> tuple[ScoredText, ...]:
        assert count > 0, "fewer texts are none"
        return (ScoredText(self.final().text, 0.0, 0.0),)
