"""What worker, decoder and second pass count, over a small plane."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from gpu_worker import figures as counting
from gpu_worker.figures import DecoderFigures, SecondPassFigures, WorkerFigures
from gpu_worker.lane import Plan
from shm import figures
from shm.arrivals import Arrivals
from shm.figures import Block, Distribution, Histogram
from shm.plane import Plane
from tests.shm.planes import SMALL


@pytest.fixture
def plane() -> Iterator[Plane]:
    plane = Plane.create(SMALL)
    yield plane
    plane.close()


class Clock:
    """`time.monotonic_ns` as a test has it."""

    def __init__(self) -> None:
        self.now_ns = 5_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(counting, "time", clock)
    return clock


def worker_block(plane: Plane) -> Block:
    return Block(plane, "worker", plane.layout.worker_process(0))


def timed(block: Block, figure: Histogram) -> tuple[int, float]:
    found = Distribution.of(figure, block.read(figure))
    return found.count, pytest.approx(found.sum)


def plan(stop: int, frames: int) -> Plan:
    return Plan(0, 0, stop, ends=False, asks=False, frames=frames, first=True, hurries=False)


def test_a_step_is_timed_with_its_windows(plane: Plane, clock: Clock) -> None:
    counted = WorkerFigures(plane, 0)
    for windows in (1, 3):
        with counted.step(windows):
            clock.now_ns += 20_000_000
    block = worker_block(plane)
    assert timed(block, figures.STEP) == (2, 0.04)
    assert timed(block, figures.BATCH) == (2, 4.0)


def test_a_full_chunk_is_timed_from_the_arrival_of_its_last_audio(
    plane: Plane, clock: Clock
) -> None:
    counted, arrivals = WorkerFigures(plane, 0), Arrivals(plane, 2)
    arrivals.begin(0, clock.now_ns - 3_000_000_000)
    arrivals.note(0, 30, clock.now_ns - 2_000_000_000, clock.now_ns)
    received_ns = clock.now_ns - 1_000_000_000
    arrivals.note(30, 60, received_ns, received_ns + 1_000_000)
    staged_ns = clock.now_ns
    with counted.step(1):
        clock.now_ns += 50_000_000
    times_ns = counted.times(2, plan(40, SMALL.chunk_frames))
    assert times_ns == (received_ns, received_ns + 1_000_000, staged_ns)
    counted.published(SMALL.chunk_frames, times_ns)
    block = worker_block(plane)
    assert timed(block, figures.RECEIVED_TO_RINGED) == (1, 0.001)
    assert timed(block, figures.RINGED_TO_STAGED) == (1, 0.999)
    assert timed(block, figures.STAGED_TO_STEPPED) == (1, 0.05)
    assert timed(block, figures.ARRIVED_TO_STEPPED) == (1, 1.05)
    assert block.read(figures.AUDIO_STEPPED) == [400_000]  # 4 frames of 100 ms


def test_audio_that_waited_for_the_client_is_not_timed(plane: Plane, clock: Clock) -> None:
    counted = WorkerFigures(plane, 0)
    Arrivals(plane, 1).begin(0, 1)
    for slot, frames in (
        (0, SMALL.chunk_frames),  # nobody noted arrivals
        (1, SMALL.chunk_frames - 1),
    ):
        times_ns = counted.times(slot, plan(5, frames))
        assert times_ns == (0, 0, 0)
        counted.published(frames, times_ns)
    block = worker_block(plane)
    assert timed(block, figures.ARRIVED_TO_STEPPED) == (0, 0.0)
    assert timed(block, figures.RINGED_TO_STAGED) == (0, 0.0)
    assert block.read(figures.AUDIO_STEPPED) == [700_000]


def test_frames_behind_the_end_of_a_segment_are_not_counted(plane: Plane, clock: Clock) -> None:
    """The next segment computes them again."""
    counted = WorkerFigures(plane, 0)
    counted.published(1, (0, 0, 0))
    assert worker_block(plane).read(figures.AUDIO_STEPPED) == [100_000]


def test_a_search_is_timed_alone_and_with_its_wait(plane: Plane, clock: Clock) -> None:
    counted = DecoderFigures(plane, 1)
    stepped_ns = clock.now_ns
    clock.now_ns += 300_000_000
    with counted.search(stepped_ns):
        clock.now_ns += 100_000_000
    block = Block(plane, "decoder", plane.layout.decoder_process(1))
    assert timed(block, figures.DECODE) == (1, 0.1)
    assert timed(block, figures.STEPPED_TO_DECODED) == (1, 0.4)
    searched_ns = clock.now_ns
    clock.now_ns += 200_000_000
    counted.answered(searched_ns)
    assert timed(block, figures.DECODED_TO_PUBLISHED) == (1, 0.2)


def test_a_batch_of_the_second_pass_is_counted_unless_it_is_empty(
    plane: Plane, clock: Clock
) -> None:
    counted = SecondPassFigures(plane, 0)
    for nothing in ([], [np.zeros(0, np.int16)]):
        with counted.hearing(nothing):
            clock.now_ns += 1_000_000_000
    with counted.hearing([np.zeros(100, np.int16), np.zeros(50, np.int16)]):
        clock.now_ns += 200_000_000
    block = Block(plane, "second pass", plane.layout.second_pass_process(0))
    assert timed(block, figures.SECOND_PASS) == (1, 0.2)
    assert block.read(figures.SECOND_PASS_QUESTIONS) == [2]
    assert block.read(figures.SECOND_PASS_AUDIO) == [1_500_000]
