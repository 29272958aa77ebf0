"""A link reads a slot as its worker would and writes it as its decoder would."""

from __future__ import annotations

from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.link_slot import LinkSlot
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.slot_pool import SlotPool
from tests.shm.planes import final, samples, was_rung


def claimed(plane: Plane, bells: Doorbells) -> tuple[FrontendSlot, SlotPool]:
    pool = SlotPool(plane, bells, 0)
    slot = pool.claim()
    assert slot is not None
    return slot, pool


def test_audio_and_marks_of_a_session(plane: Plane, bells: Doorbells) -> None:
    slot, pool = claimed(plane, bells)
    link = LinkSlot(plane, bells, slot.slot)
    session = link.session()
    assert session is not None
    assert link.epoch == session.epoch == slot.epoch
    resume = link.resume_point(session)
    slot.write_audio(samples(1, 2, 3))
    slot.write_mark()
    assert link.audio_head == 3
    assert link.mark_at(0) == 3
    assert link.mark_at(1) is None
    audio = link.audio(slot.epoch, resume, 1, 3)
    assert audio is not None
    assert audio.tolist() == [2, 3]
    pool.release(slot)
    assert link.audio(slot.epoch, resume, 1, 3) is None, "the session has ended"
    assert link.epoch is None
    assert link.session() is None


def test_a_result_settles_and_rings(plane: Plane, bells: Doorbells) -> None:
    slot, _ = claimed(plane, bells)
    link = LinkSlot(plane, bells, slot.slot)
    slot.write_audio(samples(*range(40)))
    free = slot.free_samples
    was_rung(bells.frontends[0])
    record = final("hello", epoch=slot.epoch, resume=ResumePoint(1, 30, 0, 0, 30))
    assert link.has_room
    link.publish(record)
    assert was_rung(bells.frontends[0])
    assert slot.take() == record
    assert slot.free_samples == free + 30
    session = link.session()
    assert session is not None
    assert LinkSlot(plane, bells, slot.slot).resume_point(session) == record.resume


def test_how_far_the_audio_was_computed_makes_room(plane: Plane, bells: Doorbells) -> None:
    """For the client: no more than ten seconds lie ahead of the model."""
    slot, _ = claimed(plane, bells)
    link = LinkSlot(plane, bells, slot.slot)
    wanted = slot.wanted_samples
    slot.write_audio(samples(*range(100)))
    assert slot.wanted_samples == wanted - 100
    link.computed(60)
    assert slot.wanted_samples == wanted - 40
    assert slot.computed_samples == 60
