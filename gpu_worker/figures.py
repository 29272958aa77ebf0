"""What the processes of the model's side count, into their blocks of the plane (`shm.figures`).

The only place here that reads the clock for it, so that what decides stays free of time. Each is
made with the plane and the process's own index, and adds to nobody else's words.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gpu_worker.lane import Plan
from shm import figures
from shm.arrivals import Arrivals
from shm.audio_ring import Samples
from shm.figures import MICRO, Block
from shm.plane import Plane


class WorkerFigures:
    """Steps of the model, and how long full chunks of audio waited for theirs."""

    def __init__(self, plane: Plane, index: int) -> None:
        block = Block(plane, "worker", plane.layout.worker_process(index))
        self._batch = block.histogram(figures.BATCH)
        self._step = block.histogram(figures.STEP)
        self._waited = block.histogram(figures.ARRIVED_TO_STEPPED)
        self._audio = block.counter(figures.AUDIO_STEPPED)
        geometry = plane.geometry
        self._chunk_frames = geometry.chunk_frames
        self._frame_us = geometry.frame_samples * MICRO // geometry.sample_rate_hz
        mine = range(index, geometry.slots, geometry.workers)
        self._arrivals = {slot: Arrivals(plane, slot) for slot in mine}

    @contextmanager
    def step(self, windows: int) -> Iterator[None]:
        """Around one run of the model over ``windows`` (at least 1)."""
        began_ns = time.monotonic_ns()
        yield
        self._step.add((time.monotonic_ns() - began_ns) // 1000)
        self._batch.add(windows * MICRO)

    def published(self, slot: int, plan: Plan, frames: int) -> None:
        """What ``plan`` came to is in the ring: so many ``frames``, fewer where a segment ended.

        The wait is told for full chunks alone: the last audio before a mark or a pause may have
        waited for the client to go on.
        """
        self._audio.add(frames * self._frame_us)
        if plan.frames == self._chunk_frames:
            arrived_ns = self._arrivals[slot].arrived_ns(plan.stop)
            if arrived_ns:  # a frontend without figures notes no arrivals
                self._waited.add((time.monotonic_ns() - arrived_ns) // 1000)


class DecoderFigures:
    """How long emissions waited for their search, and how long it took."""

    def __init__(self, plane: Plane, index: int) -> None:
        block = Block(plane, "decoder", plane.layout.decoder_process(index))
        self._waited = block.histogram(figures.STEPPED_TO_DECODED)
        self._decode = block.histogram(figures.DECODE)

    @contextmanager
    def search(self, stepped_ns: int) -> Iterator[None]:
        """Around the search over one record, published at ``stepped_ns``."""
        began_ns = time.monotonic_ns()
        yield
        now_ns = time.monotonic_ns()
        self._decode.add((now_ns - began_ns) // 1000)
        self._waited.add((now_ns - stepped_ns) // 1000)


class SecondPassFigures:
    """Batches of the second pass, and the audio in them."""

    def __init__(self, plane: Plane, index: int) -> None:
        block = Block(plane, "second pass", plane.layout.second_pass_process(index))
        self._batch = block.histogram(figures.SECOND_PASS)
        self._questions = block.counter(figures.SECOND_PASS_QUESTIONS)
        self._audio = block.counter(figures.SECOND_PASS_AUDIO)
        self._rate_hz = plane.geometry.sample_rate_hz

    @contextmanager
    def hearing(self, utterances: Sequence[Samples]) -> Iterator[None]:
        """Around one batch; utterances without audio, questions taken back, are not counted."""
        began_ns = time.monotonic_ns()
        yield
        samples = sum(utterance.shape[0] for utterance in utterances)
        if samples:
            self._batch.add((time.monotonic_ns() - began_ns) // 1000)
            self._questions.add(sum(utterance.shape[0] > 0 for utterance in utterances))
            self._audio.add(samples * MICRO // self._rate_hz)
