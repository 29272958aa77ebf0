from __future__ import annotations

import os
import time

import pytest

from shm.plane import Plane
from shm.process_line import ProcessLine, ProcessState


def test_a_line_nobody_wrote_is_absent(plane: Plane) -> None:
    line = ProcessLine(plane, plane.layout.worker_process(0))
    assert (line.state, line.pid, line.generation, line.rounds) == (ProcessState.ABSENT, 0, 0, 0)


def test_a_process_announces_itself_then_reports_ready(plane: Plane) -> None:
    line = ProcessLine(plane, plane.layout.decoder_process(1))
    seen = ProcessLine(Plane.attach(plane.fd), plane.layout.decoder_process(1))
    line.announce(3)
    assert (seen.state, seen.pid, seen.generation) == (ProcessState.STARTING, os.getpid(), 3)
    line.ready()
    assert seen.state is ProcessState.READY


def test_a_successor_does_not_look_ready_before_it_is(plane: Plane) -> None:
    line = ProcessLine(plane, plane.layout.worker_process(0))
    line.announce(0)
    line.ready()
    line.announce(1)
    assert (line.state, line.generation) == (ProcessState.STARTING, 1)


def test_each_round_beats(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    clock_ns = 5_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: clock_ns)
    line = ProcessLine(plane, plane.layout.worker_process(0))
    line.announce(0)
    rounds = line.rounds
    clock_ns = 7_000_000_000
    line.beat()
    assert line.rounds == rounds + 1
    assert line.heartbeat_age_ms(7_250_000_000) == 250.0


def test_a_worker_says_what_it_runs_on(plane: Plane) -> None:
    line = ProcessLine(plane, plane.layout.worker_process(0))
    assert line.device == "cpu"
    for index, name in ((0, "cuda:0"), (3, "cuda:3"), (None, "cpu")):
        line.runs_on(index)
        assert line.device == name


def test_a_worker_says_how_many_streams_it_could_step(plane: Plane) -> None:
    line = ProcessLine(plane, plane.layout.worker_process(0))
    assert line.streams == 0
    line.could_step(37)
    assert ProcessLine(Plane.attach(plane.fd), plane.layout.worker_process(0)).streams == 37


def test_starts_fail_until_a_generation_has_gone_round_once(plane: Plane) -> None:
    line = ProcessLine(plane, plane.layout.second_pass_process(0))
    assert line.failed_starts == 0, "nobody has begun"
    seen = []
    for generation in (1, 2, 3):
        line.announce(generation)
        line.ready()
        seen.append(line.failed_starts)
    assert seen == [0, 1, 2], "the living one has not failed"
    line.proven()
    assert line.failed_starts == 0
    line.announce(4)
    assert line.failed_starts == 0, "its predecessor died later than in its start"
    line.announce(6)
    assert line.failed_starts == 2, "one died before it could say its name"


def test_lines_are_each_processes_own(plane: Plane) -> None:
    ProcessLine(plane, plane.layout.frontend_process(0)).announce(1)
    others = [
        plane.layout.frontend_process(1),
        plane.layout.worker_process(0),
        plane.layout.decoder_process(0),
    ]
    assert {ProcessLine(plane, other).state for other in others} == {ProcessState.ABSENT}
