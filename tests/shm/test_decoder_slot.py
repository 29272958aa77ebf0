from __future__ import annotations

import dataclasses

import pytest

from shm import layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.emissions import SegmentEnd
from shm.frontend_slot import FrontendSlot
from shm.heard import MAX_HEARD_S, Heard, Purpose
from shm.outbox import OutboxRecord, ResumePoint
from shm.plane import Plane
from shm.process_line import ProcessLine
from shm.records import Hypothesis
from shm.second_pass_slot import SecondPassSlot
from shm.worker_slot import WorkerSlot
from tests.shm.planes import SMALL, emission, final, samples, was_rung
from tests.shm.watched_plane import CrashError, Fuse, WatchedPlane

FIRST = ResumePoint(segment=1, sample=40, mark=0, emission=1, partial_sample=40)
SECOND = ResumePoint(segment=2, sample=80, mark=1, emission=2, partial_sample=80)


@pytest.fixture
def frontend(plane: Plane, bells: Doorbells) -> FrontendSlot:
    frontend = FrontendSlot.begin(plane, bells, 0, frontend=1)
    frontend.write_audio(samples(*range(100)))
    return frontend


@pytest.fixture
def worker(plane: Plane, bells: Doorbells) -> WorkerSlot:
    return WorkerSlot(plane, bells, 0)


@pytest.fixture
def decoder(plane: Plane, bells: Doorbells, frontend: FrontendSlot) -> DecoderSlot:
    return DecoderSlot(plane, bells, 0)


def commits(plane: Plane) -> tuple[int, int, int]:
    """Of audio, marks and emissions."""
    line = plane.line(plane.layout.decoder_line(0))
    return (
        line[layout.SLOT_AUDIO_COMMIT],
        line[layout.SLOT_MARK_COMMIT],
        line[layout.SLOT_EMISSION_COMMIT],
    )


def partial(epoch: int, resume: ResumePoint) -> OutboxRecord:
    return OutboxRecord(epoch, Hypothesis((), 0.0, False), False, resume)


def test_emissions_are_read_in_order(worker: WorkerSlot, decoder: DecoderSlot) -> None:
    assert not decoder.has_emission
    for first_frame in (0, 4):
        worker.publish(emission(first_frame=first_frame))
    assert decoder.read().first_frame == 0
    decoder.step_past()
    assert (decoder.tail, decoder.read().first_frame) == (1, 4)
    decoder.step_past()
    assert not decoder.has_emission


def test_stepping_past_a_record_keeps_it_for_a_successor(
    plane: Plane, bells: Doorbells, worker: WorkerSlot, decoder: DecoderSlot
) -> None:
    worker.publish(emission())
    decoder.step_past()
    successor = DecoderSlot(plane, bells, 0)
    assert successor.has_emission
    assert successor.tail == 0


def test_dropping_a_record_frees_it_and_all_before_it(
    plane: Plane, bells: Doorbells, worker: WorkerSlot, decoder: DecoderSlot
) -> None:
    for _ in range(3):
        worker.publish(emission())
    decoder.step_past()
    decoder.drop()
    assert commits(plane) == (0, 0, 2)
    assert DecoderSlot(plane, bells, 0).tail == 2


def test_a_full_ring_of_dropped_records_has_room_again(
    worker: WorkerSlot, decoder: DecoderSlot
) -> None:
    """The first record was decoded and kept; its segment can only begin again (see `drop`)."""
    while worker.has_room:
        worker.publish(emission())
    decoder.step_past()
    while decoder.has_emission:
        decoder.drop()
    assert worker.has_room


def test_a_new_attempt_frees_the_older_ones(
    plane: Plane, worker: WorkerSlot, decoder: DecoderSlot
) -> None:
    for first_frame in (0, 4, 0):
        worker.publish(emission(first_frame=first_frame))
    decoder.step_past()
    decoder.step_past()
    decoder.begin_attempt()
    assert commits(plane) == (0, 0, 2)


def test_a_final_settles_audio_and_emissions(
    plane: Plane, frontend: FrontendSlot, decoder: DecoderSlot
) -> None:
    decoder.publish(final("one", epoch=frontend.epoch, resume=FIRST))
    assert commits(plane) == (40, 0, 1)
    record = frontend.take()
    assert record is not None
    assert record.hypothesis.is_final


def test_a_partial_settles_nothing(
    plane: Plane, frontend: FrontendSlot, decoder: DecoderSlot
) -> None:
    decoder.publish(partial(frontend.epoch, FIRST))
    assert commits(plane) == (0, 0, 0)
    assert frontend.take() == partial(frontend.epoch, FIRST)


def test_a_result_rings_its_owner(
    bells: Doorbells, frontend: FrontendSlot, decoder: DecoderSlot
) -> None:
    decoder.publish(partial(frontend.epoch, FIRST))
    assert was_rung(bells.frontends[1])


def test_room_counts_from_what_the_frontend_has_taken(
    frontend: FrontendSlot, decoder: DecoderSlot
) -> None:
    for _ in range(layout.OUTBOX_RECORDS):
        assert decoder.has_room
        decoder.publish(partial(frontend.epoch, FIRST))
    assert not decoder.has_room
    with pytest.raises(AssertionError, match="never overwritten"):
        decoder.publish(partial(frontend.epoch, FIRST))
    frontend.take()
    assert not decoder.has_room, "a successor of the frontend may have to take it again"
    frontend.take()
    assert decoder.has_room


@pytest.mark.parametrize("stores", range(5))
def test_a_final_is_settled_by_one_store_wherever_the_decoder_dies(
    plane: Plane, bells: Doorbells, frontend: FrontendSlot, stores: int
) -> None:
    """Rule R2: nothing has happened before the store of the head; after it, all, once repaired."""
    DecoderSlot(plane, bells, 0).publish(final("one", epoch=frontend.epoch, resume=FIRST))
    frontend.take()
    fuse = Fuse()
    dying = DecoderSlot(WatchedPlane(plane, fuse), bells, 0)
    fuse.stores = stores
    with pytest.raises(CrashError):
        dying.publish(final("two", epoch=frontend.epoch, resume=SECOND))
    DecoderSlot(plane, bells, 0)
    settled = stores > 1  # the first says whose record it will be
    assert (frontend.take() is not None) is settled
    assert commits(plane) == ((80, 1, 2) if settled else (40, 0, 1))


def test_a_final_takes_five_stores(plane: Plane, bells: Doorbells, frontend: FrontendSlot) -> None:
    """So that the test above has tried them all: the epoch, the head, three commits."""
    fuse = Fuse()
    decoder = DecoderSlot(WatchedPlane(plane, fuse), bells, 0)
    fuse.stores = 5
    decoder.publish(final(epoch=frontend.epoch, resume=FIRST))
    assert fuse.stores == 0


def test_repair_never_goes_back(
    plane: Plane, bells: Doorbells, frontend: FrontendSlot, decoder: DecoderSlot
) -> None:
    """A later attempt freed more than the last final had."""
    decoder.publish(final(epoch=frontend.epoch, resume=FIRST))
    for _ in range(2):
        decoder.step_past()
    decoder.begin_attempt()
    assert commits(plane) == (40, 0, 2)
    DecoderSlot(plane, bells, 0)
    assert commits(plane) == (40, 0, 2)


def test_a_slot_without_results_needs_no_repair(plane: Plane, bells: Doorbells) -> None:
    DecoderSlot(plane, bells, 2)
    assert commits(plane) == (0, 0, 0)


def test_session_and_resume_point_are_those_of_the_slot(
    frontend: FrontendSlot, decoder: DecoderSlot
) -> None:
    session = decoder.session()
    assert session is not None
    assert decoder.epoch == session.epoch == frontend.epoch
    decoder.publish(final(epoch=frontend.epoch, resume=FIRST))
    assert decoder.resume_point(session) == FIRST


def test_questions_are_numbered_over_the_decoders_of_a_slot(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot
) -> None:
    assert [decoder.ask(0, 40, Purpose.PARTIAL) for _ in range(2)] == [1, 2]
    assert DecoderSlot(plane, bells, 0).ask(0, 40, Purpose.PARTIAL) == 3


def test_an_answer_is_none_until_it_is_there_and_may_be_empty(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot
) -> None:
    second_pass = SecondPassSlot(plane, bells, 0)
    for heard in ((Heard("one", -1.0), Heard("won", -2.0)), ()):
        number = decoder.ask(0, 40, Purpose.PARTIAL)
        assert decoder.answer(number) is None
        question = second_pass.question()
        assert question is not None
        second_pass.answer(question, heard)
        assert [decoder.answer(number) for _ in range(2)] == [heard, heard]


def test_only_the_newest_question_has_an_answer(decoder: DecoderSlot) -> None:
    number = decoder.ask(0, 40, Purpose.PARTIAL)
    decoder.ask(40, 80, Purpose.PARTIAL)
    with pytest.raises(AssertionError, match="only the newest"):
        decoder.answer(number)
    with pytest.raises(AssertionError, match="only the newest"):
        decoder.answer(number + 2)


@pytest.mark.parametrize("length", [-1, MAX_HEARD_S * SMALL.sample_rate_hz + 1])
def test_what_no_second_pass_would_answer_is_not_asked(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot, length: int
) -> None:
    """A question that is passed over would keep its decoder waiting for ever."""
    with pytest.raises(AssertionError, match="no second pass answers"):
        decoder.ask(40, 40 + length, Purpose.PARTIAL)
    assert SecondPassSlot(plane, bells, 0).question() is None


def test_a_decoder_sees_that_no_second_pass_gets_anywhere(
    plane: Plane, decoder: DecoderSlot
) -> None:
    line = ProcessLine(plane, plane.layout.second_pass_of(0))
    seen = []
    for generation in (1, 2, 3):
        line.announce(generation)
        seen.append(decoder.second_pass_failed_starts)
    assert seen == [0, 1, 2]
    line.proven()
    assert decoder.second_pass_failed_starts == 0


def test_asking_settles_nothing(plane: Plane, decoder: DecoderSlot) -> None:
    decoder.ask(0, 40, Purpose.FINAL)
    assert commits(plane) == (0, 0, 0)


def test_a_withdrawn_question_has_no_audio(plane: Plane, bells: Doorbells) -> None:
    decoder, second_pass = DecoderSlot(plane, bells, 0), SecondPassSlot(plane, bells, 0)
    decoder.ask(40, 80, Purpose.FINAL)
    decoder.withdraw()
    question = second_pass.question()
    assert question is not None
    assert second_pass.audio(question).shape == (0,)


def test_a_pause_is_of_one_segment(worker: WorkerSlot, decoder: DecoderSlot) -> None:
    assert decoder.pause(0) is None
    worker.pauses(20, 60)
    assert decoder.pause(20) == 60
    assert decoder.pause(0) is None


@pytest.mark.parametrize("stop", [20, 10, 21 + MAX_HEARD_S * SMALL.sample_rate_hz])
def test_a_pause_that_nobody_could_hear_is_none(
    worker: WorkerSlot, decoder: DecoderSlot, stop: int
) -> None:
    """Such may be read while the worker writes the next one."""
    worker.pauses(20, stop)
    assert decoder.pause(20) is None


def test_a_pause_rings_once(worker: WorkerSlot, bells: Doorbells) -> None:
    was_rung(bells.decoder_of(0))
    worker.pauses(20, 60)
    assert was_rung(bells.decoder_of(0))
    worker.pauses(20, 60)
    assert not was_rung(bells.decoder_of(0))


def test_an_end_ahead_is_one_behind_the_next_record(
    worker: WorkerSlot, decoder: DecoderSlot
) -> None:
    ends = dataclasses.replace(emission(first_frame=4), end=SegmentEnd.MARK)
    worker.publish(emission())
    assert not decoder.ends_ahead
    worker.publish(ends)
    assert decoder.ends_ahead
    decoder.step_past()
    assert not decoder.ends_ahead
