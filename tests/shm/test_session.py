from __future__ import annotations

import pytest

from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.layout import OUTBOX_RECORDS
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.seal import CorruptRecordError
from shm.session import Session, SessionReader
from tests.shm.planes import final, samples
from tests.shm.watched_plane import WatchedPlane


def opened(plane: Plane, bells: Doorbells) -> FrontendSlot:
    return FrontendSlot.begin(plane, bells, 0, frontend=0)


def test_a_slot_is_open_from_claim_to_end(plane: Plane, bells: Doorbells) -> None:
    reader = SessionReader(plane, 0)
    assert reader.epoch is None
    assert reader.session() is None
    slot = opened(plane, bells)
    assert reader.epoch == slot.epoch
    assert reader.session() == Session(slot.epoch, 0, 0)
    slot.end_session()
    assert reader.epoch is None
    assert reader.session() is None


def test_base_words_are_of_the_session_that_they_are_read_with(
    plane: Plane, bells: Doorbells
) -> None:
    """The session is replaced between any two loads of the reader, once."""
    for accesses in range(5):
        slot = opened(plane, bells)
        left = accesses

        def replace_session(access: str, slot: FrontendSlot = slot) -> None:
            nonlocal left
            if left == 0:
                slot.write_audio(samples(1, 2, 3))
                slot.write_mark()
                slot.end_session()
                opened(plane, bells)
            left -= 1

        base = slot._base_sample
        session = SessionReader(WatchedPlane(plane, replace_session), 0).session()
        expected = {
            Session(slot.epoch, base, base // 3),
            Session(slot.epoch + 2, base + 3, base // 3 + 1),
        }
        assert session in expected
        opened(plane, bells).end_session()


def test_without_a_final_a_session_resumes_at_its_base(plane: Plane, bells: Doorbells) -> None:
    reader = SessionReader(plane, 0)
    session = Session(opened(plane, bells).epoch, 40, 2)
    assert reader.resume_point(session) == ResumePoint.of_session(40, 2)


def test_a_session_resumes_at_its_newest_record(plane: Plane, bells: Doorbells) -> None:
    slot = opened(plane, bells)
    decoder = DecoderSlot(plane, bells, 0)
    for number in range(1, 4):
        resume = ResumePoint(number, 10 * number, number, number, 10 * number)
        decoder.publish(final(epoch=slot.epoch, resume=resume))
        session = Session(slot.epoch, 0, 0)
        assert SessionReader(plane, 0).resume_point(session) == resume


def test_another_sessions_record_is_no_resume_point(plane: Plane, bells: Doorbells) -> None:
    slot = opened(plane, bells)
    DecoderSlot(plane, bells, 0).publish(final(epoch=slot.epoch, resume=ResumePoint(9, 9, 9, 9, 9)))
    slot.end_session()
    later = Session(opened(plane, bells).epoch, 5, 0)
    assert SessionReader(plane, 0).resume_point(later) == ResumePoint.of_session(5, 0)


@pytest.mark.parametrize("accesses", range(4))
def test_a_record_that_was_overwritten_while_copied_is_read_again(
    plane: Plane, bells: Doorbells, accesses: int
) -> None:
    """Between any two loads the decoder publishes a whole ring of results (rule R1)."""
    slot = opened(plane, bells)
    decoder = DecoderSlot(plane, bells, 0)
    newest = ResumePoint(1, 1, 0, 1, 1)
    decoder.publish(final(epoch=slot.epoch, resume=newest))
    left = accesses

    def publish_a_ring(access: str) -> None:
        nonlocal left, newest
        if left == 0:
            for _ in range(OUTBOX_RECORDS):
                slot.take()
                number = newest.segment + 1
                newest = ResumePoint(number, number, 0, number, number)
                decoder.publish(final(epoch=slot.epoch, resume=newest))
        left -= 1

    reader = SessionReader(WatchedPlane(plane, publish_a_ring), 0)
    found = reader.resume_point(Session(slot.epoch, 0, 0))
    assert found in {ResumePoint(1, 1, 0, 1, 1), newest}


def test_a_reader_that_is_overtaken_without_end_gives_up(plane: Plane, bells: Doorbells) -> None:
    slot = opened(plane, bells)

    def reopen(access: str) -> None:
        opened(plane, bells)

    with pytest.raises(AssertionError, match="at most once per connection"):
        SessionReader(WatchedPlane(plane, reopen), 0).session()
    assert slot.epoch == 1


def test_a_corrupt_result_of_the_session_hides_where_it_stands(
    plane: Plane, bells: Doorbells
) -> None:
    reader, decoder = SessionReader(plane, 0), DecoderSlot(plane, bells, 0)
    slot = opened(plane, bells)
    decoder.publish(final("one", epoch=slot.epoch, resume=ResumePoint(1, 40, 0, 1, 40)))
    plane.bytes(plane.layout.outbox_record(0, 0) + 20, 1)[0] ^= 1
    session = reader.session()
    assert session is not None
    with pytest.raises(CorruptRecordError):
        reader.resume_point(session)
    slot.end_session()
    opened(plane, bells)
    later = reader.session()
    assert later is not None
    assert reader.resume_point(later) == ResumePoint.of_session(0, 0), "it was not of this one"
