"""For tests of windowed models: a whole worker, and each window by itself to compare with."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gpu_worker.acoustic.contract import AcousticModel
from gpu_worker.stepper import EagerStepper
from gpu_worker.worker import Worker
from models.spec import ModelSpec
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.plane import Plane
from shm.worker_slot import WorkerSlot
from tests.gpu_worker.tiny import geometry_of

TOLERANCE: Final = 1e-4
SLOTS: Final = 3
BATCH: Final = 2
CPU: Final = torch.device("cpu")


class Engine:
    """A worker over a plane of three slots, without anyone who reads its emissions."""

    def __init__(self, spec: ModelSpec, model: AcousticModel) -> None:
        self.plane = Plane.create(geometry_of(spec, slots=SLOTS))
        self.bells = Doorbells.create(self.plane.geometry)
        slots = [WorkerSlot(self.plane, self.bells, slot) for slot in range(SLOTS)]
        self._worker = Worker(spec, EagerStepper(model, spec, BATCH, CPU), slots)

    def open(self, slot: int) -> FrontendSlot:
        return FrontendSlot.begin(self.plane, self.bells, slot, frontend=0)

    def run(self) -> None:
        while self._worker.round():
            pass

    def log_probs(self, slot: int, segment: int = 0) -> NDArray[np.float32]:
        """Of a segment in a slot's emission ring, one chunk after the other."""
        decoder = DecoderSlot(self.plane, self.bells, slot)
        found = []
        while decoder.has_emission:
            emission = decoder.read()
            assert emission.segment <= segment, "nothing cuts the audio"
            if emission.segment == segment:
                found.append(emission.log_probs.copy())
            decoder.step_past()
        return np.concatenate(found)

    def close(self) -> None:
        self.plane.close()
        self.bells.close()


def without_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """No utterance ends in a pause."""
    for rule in ("TRAILING_SILENCE_MS", "NOTHING_SPOKEN_MS", "LONG_TRAILING_SILENCE_MS"):
        monkeypatch.setattr(f"gpu_worker.endpointing.{rule}", 3_600_000)


def step(model: AcousticModel, pcm: torch.Tensor, spans: list[list[int]]) -> torch.Tensor:
    """The model over windows (batch, n)."""
    batch = pcm.shape[0]
    rows, first = torch.arange(1, batch + 1), torch.ones(batch, dtype=torch.bool)
    with torch.inference_mode():
        return model.step(pcm, torch.tensor(spans), rows, first)


def whole(spec: ModelSpec, model: AcousticModel, samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """(frames, vocabulary) of a segment, each chunk from its window."""
    parts = [np.zeros((0, len(spec.vocabulary)), np.float32)]
    for start in range(0, len(samples), spec.chunk_samples):
        before = start - spec.left_samples
        window = torch.zeros(1, spec.window_samples, dtype=torch.int16)
        begin, end = max(0, -before), min(spec.window_samples, len(samples) - before)
        window[0, begin:end] = torch.from_numpy(samples[before + begin : before + end])
        parts.append(step(model, window, [[begin, end]])[0].numpy())
    return np.concatenate(parts)[: spec.frames_of(len(samples))]


def assert_same(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < TOLERANCE


def assert_arrival_does_not_matter(
    spec: ModelSpec,
    model: AcousticModel,
    samples: NDArray[np.int16],
    cuts: list[int],
    slot: int,
    neighbours: set[int],
) -> None:
    """The samples in pieces, cut at ``cuts``, beside other streams, give what windows give."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_endpoints(monkeypatch)
        engine = Engine(spec, model)
    mine = engine.open(slot)
    beside = [engine.open(neighbour) for neighbour in neighbours - {slot}]
    begin = 0
    for end in [*sorted(min(cut, len(samples)) for cut in cuts), len(samples)]:
        mine.write_audio(samples[begin:end])
        for neighbour in beside:
            neighbour.write_audio(samples[::-1][begin:end])
        engine.run()
        begin = end
    mine.write_mark()
    engine.run()
    expected = whole(spec, model, samples)
    if len(expected):
        assert_same(engine.log_probs(slot), expected)
    engine.close()


def assert_segments_do_not_touch(
    spec: ModelSpec, model: AcousticModel, samples: NDArray[np.int16]
) -> None:
    """Nothing of the audio before a segment's start is in its windows."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_endpoints(monkeypatch)
        engine = Engine(spec, model)
    slot = engine.open(1)
    slot.write_audio(samples[::-1][:20_000])
    slot.write_mark()
    slot.write_audio(samples)
    slot.write_mark()
    engine.run()
    assert_same(engine.log_probs(1, segment=1), whole(spec, model, samples))
    engine.close()


def assert_items_of_a_batch_do_not_touch(
    spec: ModelSpec, model: AcousticModel, samples: NDArray[np.int16]
) -> None:
    """Three windows together give what each gives alone."""
    starts, size = (0, 5_000, 10_000), spec.window_samples
    pcm = torch.stack([torch.from_numpy(samples[start:][:size].copy()) for start in starts])
    spans = [[0, size], [9_000, size], [0, size - 10_000]]
    for item, (begin, end) in enumerate(spans):
        pcm[item, :begin] = 0
        pcm[item, end:] = 0
    together = step(model, pcm, spans)
    for item in range(3):
        alone = step(model, pcm[item : item + 1], spans[item : item + 1])
        assert torch.allclose(alone[0], together[item], atol=TOLERANCE)
