from __future__ import annotations

import numpy as np
import pytest

from shm import layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import MOST_AHEAD_S, FrontendSlot, NewestMark
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.seal import CorruptRecordError
from shm.slot_pool import SlotPool
from shm.worker_slot import WorkerSlot
from tests.shm.planes import SMALL, claimed, final, samples, was_rung


def test_a_session_begins_where_the_slots_indices_stand(
    pool: SlotPool, plane: Plane, bells: Doorbells
) -> None:
    for _ in range(SMALL.slots):
        slot = claimed(pool)
        slot.write_audio(samples(*range(50)))
        slot.write_mark()
        DecoderSlot(plane, bells, slot.slot).publish(
            final(epoch=slot.epoch, resume=ResumePoint(1, 50, 1, 1, 50))
        )
        pool.release(slot)
    later = claimed(pool)
    line = plane.line(plane.layout.frontend_line(later.slot))
    assert later.slot == 0
    assert line[layout.SLOT_BASE_SAMPLES] == line[layout.SLOT_AUDIO_HEAD] == 50
    assert line[layout.SLOT_BASE_MARKS] == 1
    assert later.received_samples == 0
    assert later.free_samples == SMALL.ring_samples
    assert later.free_marks == layout.MARK_RECORDS
    assert later.take() is None, "the predecessor's result is not this client's"


def test_free_space_counts_from_the_commit(pool: SlotPool, plane: Plane, bells: Doorbells) -> None:
    slot = claimed(pool)
    slot.write_audio(np.zeros(SMALL.ring_samples - 10, np.int16))
    assert slot.free_samples == 10
    decoder = DecoderSlot(plane, bells, slot.slot)
    decoder.publish(final(epoch=slot.epoch, resume=ResumePoint(1, 600, 0, 3, 600)))
    assert slot.free_samples == 610
    assert slot.received_samples == SMALL.ring_samples - 10


def test_audio_that_does_not_fit_is_our_mistake(pool: SlotPool) -> None:
    slot = claimed(pool)
    slot.write_audio(np.zeros(SMALL.ring_samples, np.int16))
    with pytest.raises(AssertionError, match="never dropped"):
        slot.write_audio(samples(1))


def test_a_mark_is_set_at_the_audio_so_far(pool: SlotPool, plane: Plane) -> None:
    slot = claimed(pool)
    slot.write_mark()
    slot.write_audio(samples(1, 2, 3))
    slot.write_mark()
    slot.write_mark()
    marks = plane.words(plane.layout.mark_ring(slot.slot), layout.MARK_RECORDS)
    assert [marks[index] for index in range(3)] == [0, 3, 3]
    assert slot.marks_pending == 3


def test_marks_are_pending_until_their_finals_are_taken(
    pool: SlotPool, plane: Plane, bells: Doorbells
) -> None:
    slot = claimed(pool)
    for _ in range(layout.MARK_RECORDS):
        slot.write_mark()
    assert slot.free_marks == 0
    with pytest.raises(AssertionError, match="marks are never dropped"):
        slot.write_mark()
    decoder = DecoderSlot(plane, bells, slot.slot)
    decoder.publish(final(epoch=slot.epoch, resume=ResumePoint(5, 0, 5, 5, 0)))
    assert (slot.free_marks, slot.marks_pending) == (0, layout.MARK_RECORDS)
    slot.take()
    assert (slot.free_marks, slot.marks_pending) == (5, layout.MARK_RECORDS - 5)


def test_results_are_taken_in_order(pool: SlotPool, plane: Plane, bells: Doorbells) -> None:
    slot = claimed(pool)
    decoder = DecoderSlot(plane, bells, slot.slot)
    texts = ["one", "two", "three"]
    for number, text in enumerate(texts, start=1):
        resume = ResumePoint(number, number, 0, number, number)
        decoder.publish(final(text, epoch=slot.epoch, resume=resume))
    taken = [slot.take() for _ in texts]
    assert [record.hypothesis.words[0].text for record in taken if record] == texts
    assert slot.take() is None


def test_a_late_result_of_the_session_before_is_dropped(
    pool: SlotPool, plane: Plane, bells: Doorbells
) -> None:
    before = FrontendSlot.begin(plane, bells, 0, frontend=1)
    before.end_session()
    slot = claimed(pool)
    decoder = DecoderSlot(plane, bells, slot.slot)
    resume = ResumePoint(1, 0, 0, 1, 0)
    decoder.publish(final("late", epoch=before.epoch, resume=resume))
    decoder.publish(final("mine", epoch=slot.epoch, resume=resume))
    record = slot.take()
    assert record is not None
    assert record.hypothesis.words[0].text == "mine"


def test_writing_rings_the_worker(pool: SlotPool, bells: Doorbells) -> None:
    bell = bells.workers[0]
    slot = claimed(pool)
    assert was_rung(bell)
    slot.write_audio(samples(1))
    assert was_rung(bell)
    slot.write_mark()
    assert was_rung(bell)


def test_a_client_does_not_run_far_ahead_of_the_worker(
    pool: SlotPool, plane: Plane, bells: Doorbells
) -> None:
    """Though the ring has room: what lies in it delays the answer to a ping."""
    most = MOST_AHEAD_S * SMALL.sample_rate_hz
    assert most < SMALL.ring_samples
    slot = claimed(pool)
    assert slot.wanted_samples == most
    slot.write_audio(np.zeros(most, np.int16))
    assert slot.wanted_samples == 0
    line = plane.line(plane.layout.worker_line(slot.slot))
    line[layout.SLOT_POSITION_SAMPLES] = 300
    assert slot.wanted_samples == 300
    line[layout.SLOT_POSITION_SAMPLES] = 100
    assert slot.wanted_samples == 100, "a new worker begins again at the last final"


def test_what_the_worker_did_for_a_predecessor_does_not_count(
    pool: SlotPool, plane: Plane, bells: Doorbells
) -> None:
    """Nor what it left: a session begins with all of its room."""
    slot = claimed(pool)
    slot.write_audio(np.zeros(500, np.int16))
    plane.line(plane.layout.worker_line(slot.slot))[layout.SLOT_POSITION_SAMPLES] = 400
    pool.release(slot)
    later = claimed(pool)
    assert later.wanted_samples == MOST_AHEAD_S * SMALL.sample_rate_hz


def test_the_ring_bounds_it_too(pool: SlotPool, plane: Plane) -> None:
    """Where nothing was finalised yet."""
    slot = claimed(pool)
    line = plane.line(plane.layout.worker_line(slot.slot))
    slot.write_audio(np.zeros(SMALL.ring_samples - 10, np.int16))
    line[layout.SLOT_POSITION_SAMPLES] = SMALL.ring_samples - 10
    assert slot.wanted_samples == slot.free_samples == 10


@pytest.mark.parametrize("side", ["worker", "decoder"])
def test_a_session_that_was_given_up_raises_behind_its_results(
    plane: Plane, bells: Doorbells, side: str
) -> None:
    slot = FrontendSlot.begin(plane, bells, 0, frontend=0)
    decoder = DecoderSlot(plane, bells, 0)
    decoder.publish(final("before", epoch=slot.epoch, resume=ResumePoint(1, 0, 0, 0, 0)))
    giving_up = decoder if side == "decoder" else WorkerSlot(plane, bells, 0)
    giving_up.give_up(slot.epoch, CorruptRecordError("bits"))
    assert giving_up.has_given_up(slot.epoch)
    assert slot.take() is not None
    for _ in range(2):
        with pytest.raises(CorruptRecordError, match=side):
            slot.take()
    slot.end_session()
    assert FrontendSlot.begin(plane, bells, 0, frontend=0).take() is None


def test_a_result_that_was_changed_is_not_taken(plane: Plane, bells: Doorbells) -> None:
    slot = FrontendSlot.begin(plane, bells, 0, frontend=0)
    result = final("word", epoch=slot.epoch, resume=ResumePoint(1, 0, 0, 0, 0))
    DecoderSlot(plane, bells, 0).publish(result)
    plane.bytes(plane.layout.outbox_record(0, 0) + 140, 1)[0] ^= 1
    with pytest.raises(CorruptRecordError, match="not as it was written"):
        slot.take()


def found(plane: Plane, bells: Doorbells, slot: FrontendSlot) -> FrontendSlot:
    """What a successor sees of a session whose frontend has just died."""
    again = FrontendSlot.find(plane, bells, slot.slot, frontend=0)
    again.recall()
    return again


def test_a_successor_goes_on_where_the_session_was(plane: Plane, bells: Doorbells) -> None:
    slot = FrontendSlot.begin(plane, bells, 0, frontend=0)
    slot.introduce(b"who it is")
    slot.audio_begins(44)
    slot.write_audio(samples(1, 2, 3))
    slot.write_mark(50, 1)
    slot.write_audio(samples(4))
    later = found(plane, bells, slot)
    assert (later.epoch, later.audio_head, later.base_sample) == (slot.epoch, 4, 0)
    assert (later.client(), later.header_bytes) == (b"who it is", 44)
    assert (later.marks_set, later.newest_mark()) == (1, NewestMark(3, 50, 1))
    later.write_audio(samples(5))
    later.write_mark(54, 1, is_last=True)
    assert later.newest_mark() == NewestMark(5, 54, 1)
    assert (later.marks_set, later.marks_pending) == (2, 2)
    DecoderSlot(plane, bells, 0).publish(final(epoch=slot.epoch, resume=ResumePoint(1, 3, 1, 1, 3)))
    record = later.take()
    assert record is not None
    assert not later.answers_last(record)
    assert later.marks_pending == 1
    DecoderSlot(plane, bells, 0).publish(
        final(epoch=slot.epoch, resume=ResumePoint(2, 5, 2, 1, 5), requested=True)
    )
    last = later.take()
    assert last is not None
    assert later.answers_last(last)


def test_a_fresh_session_has_nothing_of_the_one_before(plane: Plane, bells: Doorbells) -> None:
    before = FrontendSlot.begin(plane, bells, 0, frontend=0)
    before.introduce(b"another client")
    before.audio_begins(44)
    before.said.add(b"to another client")
    before.end_session()
    later = found(plane, bells, FrontendSlot.begin(plane, bells, 0, frontend=0))
    assert later.client() is None
    assert (later.header_bytes, later.marks_set, later.said.count) == (0, 0, 0)
    assert later.said.after(0) == []


def test_a_result_stays_until_the_next_is_asked_for(plane: Plane, bells: Doorbells) -> None:
    """A frontend that dies before it has said it leaves it to its successor."""
    slot = FrontendSlot.begin(plane, bells, 0, frontend=0)
    decoder = DecoderSlot(plane, bells, 0)
    for number, text in enumerate(("one", "two"), start=1):
        resume = ResumePoint(number, 0, 0, number, 0)
        decoder.publish(final(text, epoch=slot.epoch, resume=resume))
    first = slot.take()
    assert found(plane, bells, slot).take() == first
    second = slot.take()
    assert found(plane, bells, slot).take() == second
    assert slot.take() is None
    assert found(plane, bells, slot).take() is None


def test_a_result_that_was_said_is_not_taken_again(plane: Plane, bells: Doorbells) -> None:
    slot = FrontendSlot.begin(plane, bells, 0, frontend=0)
    decoder = DecoderSlot(plane, bells, 0)
    decoder.publish(final("one", epoch=slot.epoch, resume=ResumePoint(1, 0, 0, 1, 0)))
    assert slot.take() is not None
    slot.said.add(b"one")
    later = found(plane, bells, slot)
    assert later.take() is None
    assert later.said.after(0) == [b"one"]


def test_a_successor_sets_no_mark_over_one_whose_final_was_not_taken(
    plane: Plane, bells: Doorbells
) -> None:
    """What each was set for stays known, however many are answered meanwhile."""
    slot = FrontendSlot.begin(plane, bells, 0, frontend=0)
    decoder = DecoderSlot(plane, bells, 0)
    for number in range(1, 2 * layout.MARK_RECORDS):
        slot.write_mark(2 * number, number, is_last=number % 3 == 0)
        resume = ResumePoint(number, 0, number, number, 0)
        decoder.publish(final(epoch=slot.epoch, resume=resume, requested=True))
        if number <= layout.MARK_RECORDS:
            assert slot.take() is not None
    assert slot.free_marks == 1
    later = found(plane, bells, slot)
    assert later.free_marks == 0, "the last one that was taken has not been said"
    for number in range(layout.MARK_RECORDS, 2 * layout.MARK_RECORDS):
        record = later.take()
        assert record is not None
        assert record.resume.mark == number
        assert later.answers_last(record) == (number % 3 == 0)
    assert later.free_marks == layout.MARK_RECORDS
