from __future__ import annotations

import pytest

from shm import layout
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.plane import Plane
from shm.slot_pool import SlotPool
from tests.shm.holder import holder
from tests.shm.planes import SMALL, claimed


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


def test_a_successor_finds_the_sessions_that_its_predecessor_left_open(
    plane: Plane, bells: Doorbells
) -> None:
    with holder(plane, bells, frontend=1, slots=2) as process:
        assert SlotPool(plane, bells, 1).find() == [], "the holder lives"
        process.kill()
        process.wait()
        assert SlotPool(plane, bells, 0).find() == [], "not its sessions"
        pool = SlotPool(plane, bells, 1)
        first, second = pool.find()
        assert (first.slot, second.slot, pool.held) == (0, 1, 2)
        assert (first.epoch, first.received_samples, first.marks_set) == (1, 150, 1)
        assert [epoch_word(plane, slot) for slot in range(3)] == [1, 1, 0]
        with holder(plane, bells, frontend=0, slots=1):
            assert epoch_word(plane, 2) == 1, "those that were found are held"
        pool.release(first)
    assert [epoch_word(plane, slot) for slot in range(2)] == [2, 1]
    assert [slot.slot for slot in (claimed(pool), claimed(pool))] == [0, 2]


def test_a_successor_leaves_a_slot_alone_that_another_used_meanwhile(
    plane: Plane, bells: Doorbells, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another frontend may claim and release a slot between the look and the lock."""
    FrontendSlot.begin(plane, bells, 0, frontend=1)

    def lock_after_another(pool: SlotPool, slot: int) -> bool:
        FrontendSlot.begin(plane, bells, slot, frontend=0).end_session()
        return True

    monkeypatch.setattr(SlotPool, "_lock", lock_after_another)
    assert SlotPool(plane, bells, 1).find() == []
    assert epoch_word(plane, 0) & 1 == 0, "nobody holds the slot, so it is closed"
