from __future__ import annotations

import numpy as np
import pytest

from shm import layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import MOST_AHEAD_S, FrontendSlot, SlotPool
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.seal import CorruptRecordError
from shm.worker_slot import WorkerSlot
from tests.shm.holder import holder
from tests.shm.planes import SMALL, final, samples, was_rung


@pytest.fixture
def pool(plane: Plane, bells: Doorbells) -> SlotPool:
    return SlotPool(plane, bells, 0)


def claimed(pool: SlotPool) -> FrontendSlot:
    slot = pool.claim()
    assert slot is not None
    return slot


def epoch_word(plane: Plane, slot: int) -> int:
    return plane.line(plane.layout.frontend_line(slot))[layout.SLOT_SESSION]


def test_every_slot_can_be_claimed_once(pool: SlotPool) -> None:
    slots = [claimed(pool).slot for _ in range(SMALL.slots)]
    assert slots == [0, 1, 2]
    assert pool.claim() is None
    assert pool.held == SMALL.slots


def test_a_released_slot_has_a_new_session(pool: SlotPool, plane: Plane) -> None:
    everything = [claimed(pool) for _ in range(SMALL.slots)]
    first = everything[1].epoch
    pool.release(everything[1])
    assert epoch_word(plane, 1) == first + 1
    again = claimed(pool)
    assert (again.slot, again.epoch) == (1, first + 2)
    assert again.epoch & 1
    assert pool.held == SMALL.slots


def test_slots_are_taken_in_turn(pool: SlotPool) -> None:
    """So that the records of a session just over are behind when its slot is used again."""
    pool.release(claimed(pool))
    assert claimed(pool).slot == 1


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


def test_marks_are_free_once_committed_and_pending_until_their_finals_are_taken(
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
    assert (slot.free_marks, slot.marks_pending) == (5, layout.MARK_RECORDS)
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
    before = FrontendSlot(plane, bells, 0, frontend=1)
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


def test_a_slot_that_another_process_holds_cannot_be_claimed(
    plane: Plane, bells: Doorbells
) -> None:
    with holder(plane, bells, frontend=1, slots=2):
        pool = SlotPool(plane, bells, 0)
        assert claimed(pool).slot == 2
        assert pool.claim() is None


def test_a_killed_holders_slots_can_be_claimed(plane: Plane, bells: Doorbells) -> None:
    pool = SlotPool(plane, bells, 0)
    with holder(plane, bells, frontend=1, slots=SMALL.slots) as process:
        assert pool.claim() is None
        process.kill()
        process.wait()
        slot = claimed(pool)
    assert slot.epoch == 3, "the dead client's session was 1"
    assert slot.received_samples == 0
    assert plane.line(plane.layout.frontend_line(slot.slot))[layout.SLOT_BASE_SAMPLES] == 150


def test_a_successor_closes_the_sessions_that_its_predecessor_left_open(
    plane: Plane, bells: Doorbells
) -> None:
    with holder(plane, bells, frontend=1, slots=2) as process:
        SlotPool(plane, bells, 1)
        assert [epoch_word(plane, slot) for slot in range(3)] == [1, 1, 0], "the holder lives"
        process.kill()
        process.wait()
        SlotPool(plane, bells, 0)
        assert [epoch_word(plane, slot) for slot in range(3)] == [1, 1, 0], "not its sessions"
        SlotPool(plane, bells, 1)
        assert [epoch_word(plane, slot) for slot in range(3)] == [2, 2, 0]
    assert claimed(SlotPool(plane, bells, 0)).epoch == 3


def test_a_successor_leaves_a_slot_alone_that_another_used_meanwhile(
    plane: Plane, bells: Doorbells, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another frontend may claim and release a slot between the look and the lock."""
    FrontendSlot(plane, bells, 0, frontend=1)

    def lock_after_another(pool: SlotPool, slot: int) -> bool:
        FrontendSlot(plane, bells, slot, frontend=0).end_session()
        return True

    monkeypatch.setattr(SlotPool, "_lock", lock_after_another)
    SlotPool(plane, bells, 1)
    assert epoch_word(plane, 0) & 1 == 0, "nobody holds the slot, so it is closed"


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
    slot = FrontendSlot(plane, bells, 0, frontend=0)
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
    assert FrontendSlot(plane, bells, 0, frontend=0).take() is None


def test_a_result_that_was_changed_is_not_taken(plane: Plane, bells: Doorbells) -> None:
    slot = FrontendSlot(plane, bells, 0, frontend=0)
    result = final("word", epoch=slot.epoch, resume=ResumePoint(1, 0, 0, 0, 0))
    DecoderSlot(plane, bells, 0).publish(result)
    plane.bytes(plane.layout.outbox_record(0, 0) + 140, 1)[0] ^= 1
    with pytest.raises(CorruptRecordError, match="not as it was written"):
        slot.take()
