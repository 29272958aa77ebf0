"""What is said of the engine as a whole, from a plane that the four sides have written."""

from __future__ import annotations

import time

from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.engine_view import EngineView
from shm.frontend_slot import FrontendSlot
from shm.heard import Purpose
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.process_line import ProcessLine, ProcessState
from shm.second_pass_slot import SecondPassSlot
from shm.worker_slot import WorkerSlot
from tests.shm.planes import emission, final, samples


def test_nobody_is_there_yet(plane: Plane) -> None:
    view = EngineView(plane)
    assert view.processes(time.monotonic_ns()) == []
    slots = view.slots()
    assert (slots.total, slots.held, slots.free, slots.audio_waiting_s) == (3, 0, 3, 0.0)


def test_a_process_is_seen_with_its_age_and_its_predecessors(plane: Plane) -> None:
    line = ProcessLine(plane, plane.layout.decoder_process(1))
    before_ns = time.monotonic_ns()
    line.announce(3)
    line.ready()
    (found,) = EngineView(plane).processes(before_ns + 10**10)
    assert (found.name, found.state, found.restarts) == ("decoder 1", ProcessState.READY, 2)
    assert 9_000 < found.heartbeat_age_ms <= 10_000


def test_a_first_generation_is_no_restart(plane: Plane) -> None:
    ProcessLine(plane, plane.layout.worker_process(0)).announce(1)
    assert {p.restarts for p in EngineView(plane).processes(0)} == {0}


def test_what_waits_is_that_of_the_slot_with_the_most(plane: Plane, bells: Doorbells) -> None:
    view = EngineView(plane)
    first = FrontendSlot.begin(plane, bells, 0, frontend=0)
    second = FrontendSlot.begin(plane, bells, 2, frontend=1)
    first.write_audio(samples(*range(50)))
    second.write_audio(samples(*range(200)))
    assert view.slots().held == 2
    assert view.slots().audio_waiting_s == 2.0

    WorkerSlot(plane, bells, 2).publish(emission(frames=4))
    assert view.slots().audio_waiting_s == 1.6
    assert view.slots().emissions_waiting == 1

    decoder = DecoderSlot(plane, bells, 2)
    question = decoder.ask(0, 40, Purpose.FINAL)
    assert view.slots().questions_open == 1
    second_pass = SecondPassSlot(plane, bells, 2)
    asked = second_pass.question()
    assert asked is not None
    second_pass.answer(asked, [])
    assert decoder.answer(question) == ()
    assert view.slots().questions_open == 0

    decoder.publish(final("a", resume=ResumePoint(1, 40, 0, 1, 40)))
    assert view.slots().emissions_waiting == 0
    assert view.slots().results_waiting == 1
    assert second.take() is not None
    assert second.take() is None
    assert view.slots().results_waiting == 0
    second.end_session()
    assert (view.slots().held, view.slots().audio_waiting_s) == (1, 0.5)


def test_a_new_session_does_not_inherit_what_the_last_left_unheard(
    plane: Plane, bells: Doorbells
) -> None:
    slot = FrontendSlot.begin(plane, bells, 0, frontend=0)
    slot.write_audio(samples(*range(100)))
    slot.end_session()
    FrontendSlot.begin(plane, bells, 0, frontend=0)
    assert EngineView(plane).slots().audio_waiting_s == 0.0
