"""The figures of all processes, added up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from server.figures import Figures
from shm import figures
from shm.figures import MICRO, Block
from shm.plane import Plane
from shm.process_line import ProcessLine
from tests.shm.planes import SMALL


@pytest.fixture
def plane() -> Iterator[Plane]:
    plane = Plane.create(SMALL)
    yield plane
    plane.close()


def frontend(plane: Plane, index: int) -> Block:
    return Block(plane, "frontend", plane.layout.frontend_process(index))


def test_counters_and_buckets_of_all_processes_are_added_up(plane: Plane) -> None:
    for index in range(SMALL.frontends):
        frontend(plane, index).counter(figures.REFUSED, "path").add(index + 1)
        frontend(plane, index).histogram(figures.DONE_TO_FINAL).add((index + 1) * MICRO)
    found = Figures(plane).snapshot(time.monotonic_ns())
    assert found.counter(figures.REFUSED) == {
        "full": 0, "parameter": 0, "path": 3, "handshake": 0, "no_model_server": 0, "key": 0,
        "session": 0, "address": 0, "overload": 0, "failing": 0,
    }  # fmt: skip
    assert found.total(figures.REFUSED) == 3
    assert found.histogram(figures.DONE_TO_FINAL).sum == 3.0
    assert found.histogram(figures.DONE_TO_FINAL).count == 2


def test_seconds_are_seconds(plane: Plane) -> None:
    frontend(plane, 0).counter(figures.AUDIO_RECEIVED).add(2_500_000)
    assert Figures(plane).snapshot(0).total(figures.AUDIO_RECEIVED) == 2.5


def test_the_real_time_factor_is_that_of_the_model(plane: Plane) -> None:
    view = Figures(plane)
    assert view.snapshot(0).real_time_factor is None
    worker = Block(plane, "worker", plane.layout.worker_process(0))
    worker.histogram(figures.STEP).add(MICRO // 2)
    worker.counter(figures.AUDIO_STEPPED).add(5 * MICRO)
    assert view.snapshot(0).real_time_factor == pytest.approx(0.1)


def test_the_slowest_stage_is_that_of_the_highest_mean(plane: Plane) -> None:
    view = Figures(plane)
    assert view.snapshot(0).slowest_stage is None
    worker = Block(plane, "worker", plane.layout.worker_process(0))
    for _ in range(3):
        worker.histogram(figures.STAGED_TO_STEPPED).add(MICRO // 20)
    worker.histogram(figures.RINGED_TO_STAGED).add(MICRO // 10)
    worker.histogram(figures.STEP).add(MICRO)  # no stage of its own
    slowest = view.snapshot(0).slowest_stage
    assert slowest is not None
    assert slowest.stage is figures.RINGED_TO_STAGED
    assert slowest.mean_s == pytest.approx(0.1)


def test_restarts_are_counted_by_kind(plane: Plane) -> None:
    ProcessLine(plane, plane.layout.decoder_process(0)).announce(3)
    ProcessLine(plane, plane.layout.decoder_process(1)).announce(2)
    ProcessLine(plane, plane.layout.worker_process(0)).announce(1)
    assert Figures(plane).snapshot(0).restarts == {
        "frontend": 0, "worker": 0, "decoder": 3, "second pass": 0, "link": 0,
    }  # fmt: skip


def test_the_age_is_the_planes(plane: Plane) -> None:
    now_ns = time.monotonic_ns()
    assert 10.0 <= Figures(plane).snapshot(now_ns + 10**10).uptime_s < 3600


def test_an_engine_without_a_second_pass_has_figures_too() -> None:
    plane = Plane.create(replace(SMALL, second_passes=0))
    try:
        found = Figures(plane).snapshot(0)
        assert found.histogram(figures.SECOND_PASS).count == 0
    finally:
        plane.close()
