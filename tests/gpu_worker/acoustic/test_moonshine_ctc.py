"""The network through the whole worker: audio in pieces, in windows, in company, gives the numbers
of each window taken by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_worker.acoustic.int8 import Int8Linear, is_supported
from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from gpu_worker.acoustic.moonshine_encoder import EncoderShape
from gpu_worker.stepper import EagerStepper
from gpu_worker.worker import Worker
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.plane import Plane
from shm.worker_slot import WorkerSlot
from tests.gpu_worker.tiny import TINY, geometry_of

TOLERANCE: Final = 1e-4
SLOTS: Final = 3
BATCH: Final = 2
CPU: Final = torch.device("cpu")
SHAPE: Final = EncoderShape(
    width=32, hidden=48, encoder_layers=2, heads=4, rotated=6, rotation_base=10_000.0
)
SPEC: Final = replace(
    TINY,
    directory=Path(),
    architecture="moonshine-ctc",
    sample_rate_hz=16_000,
    frame_samples=384,
    hop_samples=64,
    chunk_frames=25,
    left_frames=50,
    right_samples=4_863,
    margin_samples=256,
)
SAMPLES: Final = (np.random.default_rng(1).normal(size=60_000) * 2_000).astype(np.int16)


@pytest.fixture(scope="module")
def model() -> MoonshineCtc:
    torch.manual_seed(4)
    return MoonshineCtc(SPEC, SHAPE).eval()


def step(model: MoonshineCtc, pcm: torch.Tensor, spans: list[list[int]]) -> torch.Tensor:
    batch = pcm.shape[0]
    rows, first = torch.arange(1, batch + 1), torch.ones(batch, dtype=torch.bool)
    with torch.inference_mode():
        return model.step(pcm, torch.tensor(spans), rows, first)


def whole(model: MoonshineCtc, samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """(frames, vocabulary) of a segment, each chunk from its window."""
    parts = []
    for start in range(0, len(samples), SPEC.chunk_samples):
        before = start - SPEC.left_samples
        window = torch.zeros(1, SPEC.window_samples, dtype=torch.int16)
        begin, end = max(0, -before), min(SPEC.window_samples, len(samples) - before)
        window[0, begin:end] = torch.from_numpy(samples[before + begin : before + end])
        parts.append(step(model, window, [[begin, end]])[0].numpy())
    return np.concatenate(parts)[: SPEC.frames_of(len(samples))]


class Engine:
    """A worker over a plane of three slots, without anyone who reads its emissions."""

    def __init__(self, model: MoonshineCtc) -> None:
        self.plane = Plane.create(geometry_of(SPEC, slots=SLOTS))
        self.bells = Doorbells.create(self.plane.geometry)
        slots = [WorkerSlot(self.plane, self.bells, slot) for slot in range(SLOTS)]
        self._worker = Worker(SPEC, EagerStepper(model, SPEC, BATCH, CPU), slots)

    def open(self, slot: int) -> FrontendSlot:
        return FrontendSlot(self.plane, self.bells, slot, frontend=0)

    def run(self) -> None:
        while self._worker.round():
            pass

    def log_probs(self, slot: int, segment: int = 0) -> NDArray[np.float32]:
        """Of a segment in a slot's emission ring, one chunk after the other."""
        decoder = DecoderSlot(self.plane, self.bells, slot)
        found = []
        while decoder.has_emission:
            emission = decoder.read()
            if emission.segment == segment:
                found.append(emission.log_probs.copy())
            decoder.step_past()
        return np.concatenate(found)

    def close(self) -> None:
        self.plane.close()
        self.bells.close()


@pytest.fixture(autouse=True)
def uncut(monkeypatch: pytest.MonkeyPatch) -> None:
    """No utterance ends in a pause."""
    for rule in ("TRAILING_SILENCE_MS", "NOTHING_SPOKEN_MS", "LONG_TRAILING_SILENCE_MS"):
        monkeypatch.setattr(f"gpu_worker.endpointing.{rule}", 3_600_000)


def assert_same(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < TOLERANCE


@settings(
    max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    cuts=st.lists(st.integers(0, 60_000), max_size=12),
    length=st.integers(1, 60_000),
    slot=st.integers(0, SLOTS - 1),
    neighbours=st.sets(st.integers(0, SLOTS - 1)),
)
def test_any_arrival_in_any_slot_beside_any_neighbours(
    model: MoonshineCtc, cuts: list[int], length: int, slot: int, neighbours: set[int]
) -> None:
    engine = Engine(model)
    mine = engine.open(slot)
    beside = [engine.open(neighbour) for neighbour in neighbours - {slot}]
    begin = 0
    for end in [*sorted(min(cut, length) for cut in cuts), length]:
        mine.write_audio(SAMPLES[begin:end])
        for neighbour in beside:
            neighbour.write_audio(SAMPLES[::-1][begin:end])
        engine.run()
        begin = end
    mine.write_mark()
    engine.run()
    expected = whole(model, SAMPLES[:length])
    if len(expected):
        assert_same(engine.log_probs(slot), expected)
    engine.close()


def test_a_second_segment_is_as_if_it_were_the_first(model: MoonshineCtc) -> None:
    """Nothing of the audio before its start is in its windows."""
    engine = Engine(model)
    slot = engine.open(1)
    slot.write_audio(SAMPLES[40_000:])
    slot.write_mark()
    slot.write_audio(SAMPLES[:30_000])
    slot.write_mark()
    engine.run()
    assert_same(engine.log_probs(1, segment=1), whole(model, SAMPLES[:30_000]))
    engine.close()


def windows_at(*starts: int) -> torch.Tensor:
    return torch.stack(
        [torch.from_numpy(SAMPLES[start:][: SPEC.window_samples]) for start in starts]
    )


def test_log_probabilities_are_normalised(model: MoonshineCtc) -> None:
    log_probs = step(model, windows_at(0), [[0, SPEC.window_samples]])
    assert log_probs.shape == (1, SPEC.chunk_frames, len(SPEC.vocabulary))
    assert log_probs.dtype == torch.float32
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(()), atol=1e-5)


def test_items_of_a_batch_do_not_touch(model: MoonshineCtc) -> None:
    pcm = windows_at(0, 5_000, 10_000)
    spans = [[0, SPEC.window_samples], [9_000, SPEC.window_samples], [0, 20_000]]
    for item, (begin, end) in enumerate(spans):
        pcm[item, :begin] = 0
        pcm[item, end:] = 0
    together = step(model, pcm, spans)
    for item in range(3):
        alone = step(model, pcm[item : item + 1], spans[item : item + 1])
        assert torch.allclose(alone[0], together[item], atol=TOLERANCE)


def test_a_chunk_is_where_the_geometry_says(model: MoonshineCtc) -> None:
    """With other numbers of frames around it the window is another, and the chunk moves along."""
    pcm, span = windows_at(0), torch.tensor([[0, SPEC.window_samples]])
    with torch.inference_mode():
        served = model.step(pcm, span, span, span)
        wide = model.logits(pcm, span, SPEC.left_frames - 3, 30).log_softmax(-1)
    torch.testing.assert_close(wide[:, 3 : 3 + SPEC.chunk_frames], served)


@pytest.mark.skipif(not is_supported(), reason="needs AVX-512 VNNI")
def test_8_bits_say_nearly_the_same(model: MoonshineCtc) -> None:
    rounded = MoonshineCtc(SPEC, SHAPE).eval()
    rounded.load_state_dict(model.state_dict())
    rounded.use_int8()
    assert isinstance(rounded.encoder.layers[0].mlp.fc1, Int8Linear)
    assert isinstance(rounded.head, torch.nn.Linear)
    pcm, spans = windows_at(0), [[0, SPEC.window_samples]]
    exact, near = (step(one, pcm, spans).exp() for one in (model, rounded))
    assert not torch.equal(exact, near)
    assert (exact - near).abs().max() < 0.05
