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
        self._received = block.histogram(figures.RECEIVED_TO_RINGED)
        self._ringed = block.histogram(figures.RINGED_TO_STAGED)
        self._staged = block.histogram(figures.STAGED_TO_STEPPED)
        self._staged_ns = 0
        self._audio = block.counter(figures.AUDIO_STEPPED)
        geometry = plane.geometry
        self._chunk_frames = geometry.chunk_frames
        self._frame_us = geometry.frame_samples * MICRO // geometry.sample_rate_hz
        mine = range(index, geometry.slots, geometry.workers)
        self._arrivals = {slot: Arrivals(plane, slot) for slot in mine}

    @contextmanager
    def step(self, windows: int) -> Iterator[None]:
        """Around one run of the model over ``windows`` (at least 1)."""
        self._staged_ns = time.monotonic_ns()
        yield
        self._step.add((time.monotonic_ns() - self._staged_ns) // 1000)
        self._batch.add(windows * MICRO)

    def times(self, slot: int, plan: Plan) -> tuple[int, int, int]:
        """The chunk's times until it was staged, see `shm.trace`; zeros where they mean nothing.

        They are told for full chunks alone: the last audio before a mark or a pause may have
        waited for the client to go on.
        """
        if plan.frames != self._chunk_frames:
            return 0, 0, 0
        arrival = self._arrivals[slot].of(plan.stop)
        if not arrival.received_ns:  # a frontend without figures notes no arrivals
            return 0, 0, 0
        return (*arrival, self._staged_ns)

    def published(self, frames: int, times_ns: tuple[int, int, int]) -> None:
        """So many ``frames`` of a chunk with these `times` are in the ring."""
        self._audio.add(frames * self._frame_us)
        received_ns, ringed_ns, staged_ns = times_ns
        if received_ns:
            now_ns = time.monotonic_ns()
            self._received.add((ringed_ns - received_ns) // 1000)
            self._ringed.add((staged_ns - ringed_ns) // 1000)
            self._staged.add((now_ns - staged_ns) // 1000)
            self._waited.add((now_ns - received_ns) // 1000)


class DecoderFigures:
    """How long emissions waited for their search, how long it took, and then the second pass."""

    def __init__(self, plane: Plane, index: int) -> None:
        block = Block(plane, "decoder", plane.layout.decoder_process(index))
        self._waited = block.histogram(figures.STEPPED_TO_DECODED)
        self._decode = block.histogram(figures.DECODE)
        self._held = block.histogram(figures.DECODED_TO_PUBLISHED)

    @contextmanager
    def search(self, stepped_ns: int) -> Iterator[None]:
        """Around the search over one record, published at ``stepped_ns``."""
        began_ns = time.monotonic_ns()
        yield
        now_ns = time.monotonic_ns()
        self._decode.add((now_ns - began_ns) // 1000)
        self._waited.add((now_ns - stepped_ns) // 1000)

    def answered(self, searched_ns: int) -> None:
        """A result that was held since ``searched_ns`` for the second pass is published."""
        self._held.add((time.monotonic_ns() - searched_ns) // 1000)


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
