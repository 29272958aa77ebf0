"""Which model a segment was begun with: one word, about one segment."""

from __future__ import annotations

import pytest

from shm import layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.language import MAX_NUMBER, number_in, numbers_in_use, word_of
from shm.outbox import ResumePoint
from shm.plane import Plane
from tests.shm.planes import final

SEGMENT = (7, 123_456)


@pytest.mark.parametrize("number", [1, 2, MAX_NUMBER])
def test_the_number_is_given_for_its_segment_alone(number: int) -> None:
    word = word_of(*SEGMENT, number)
    assert word < 1 << 64
    assert number_in(word, *SEGMENT) == number
    assert number_in(word, SEGMENT[0] + 2, SEGMENT[1]) is None
    assert number_in(word, SEGMENT[0], SEGMENT[1] + 1) is None


def test_a_word_that_was_never_written_names_none() -> None:
    assert number_in(0, 0, 0) is None


def test_long_streams_and_many_sessions_fit() -> None:
    late = (1 << 40) + 1, 1 << 60
    assert number_in(word_of(*late, 3), *late) == 3


def test_a_segment_keeps_its_model(plane: Plane, bells: Doorbells) -> None:
    """For a successor as well, until the next segment, or the next session."""
    client = FrontendSlot.begin(plane, bells, 0, frontend=0)
    decoder = DecoderSlot(plane, bells, 0)
    session = decoder.session()
    assert session is not None
    epoch, start = session.epoch, session.base_sample
    assert decoder.language_at_hand() is None
    assert numbers_in_use(plane) == set()
    assert decoder.language_of(epoch, start, newest=1) == 1
    assert numbers_in_use(plane) == {1}
    successor = DecoderSlot(plane, bells, 0)
    assert successor.language_at_hand() == 1
    assert successor.language_of(epoch, start, newest=2) == 1
    assert successor.language_of(epoch, start + 100, newest=2) == 2
    assert numbers_in_use(plane) == set(), "no session is at that segment"
    assert successor.language_of(epoch, start, newest=3) == 3
    client.end_session()
    assert numbers_in_use(plane) == set()
    assert successor.language_at_hand() is None
    FrontendSlot.begin(plane, bells, 0, frontend=0)
    assert successor.language_at_hand() is None, "another session"


def test_slots_are_looked_at_by_their_decoder(plane: Plane, bells: Doorbells) -> None:
    slots = range(plane.geometry.slots)
    for slot in slots:
        FrontendSlot.begin(plane, bells, slot, frontend=0)
        decoder = DecoderSlot(plane, bells, slot)
        session = decoder.session()
        assert session is not None
        decoder.language_of(session.epoch, session.base_sample, newest=slot + 1)
    assert numbers_in_use(plane) == {slot + 1 for slot in slots}
    assert numbers_in_use(plane, 1, 2) == {slot + 1 for slot in slots if slot % 2}
    line = plane.line(plane.layout.decoder_line(0))
    line[layout.SLOT_LANGUAGE] = 0
    assert 1 not in numbers_in_use(plane)


def test_a_session_with_a_corrupt_result_needs_no_model(plane: Plane, bells: Doorbells) -> None:
    """It is given up. Nobody who asks may die of it: a decoder would, again and again."""
    client = FrontendSlot.begin(plane, bells, 0, frontend=0)
    decoder = DecoderSlot(plane, bells, 0)
    resume = ResumePoint(1, 40, 0, 1, 40)
    decoder.publish(final("one", epoch=client.epoch, resume=resume))
    decoder.language_of(client.epoch, resume.sample, newest=1)
    assert decoder.language_at_hand() == 1
    plane.bytes(plane.layout.outbox_record(0, 0) + 20, 1)[0] ^= 1
    assert decoder.language_at_hand() is None
    assert numbers_in_use(plane) == set()
