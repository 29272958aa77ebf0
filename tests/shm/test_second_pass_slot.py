from __future__ import annotations

import numpy as np
import pytest

from shm import layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.heard import Heard, Purpose, read_heard
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.second_pass_slot import Question, SecondPassSlot
from tests.shm.hearing import LONGEST, SLOT, assert_answered, heard_in, opened, serve
from tests.shm.planes import SMALL, final, was_rung
from tests.shm.watched_plane import WatchedPlane

RING = SMALL.ring_samples
ASKED = (100, 200)


@pytest.fixture
def frontend(plane: Plane, bells: Doorbells) -> FrontendSlot:
    return opened(plane, bells)


@pytest.fixture
def decoder(plane: Plane, bells: Doorbells, frontend: FrontendSlot) -> DecoderSlot:
    return DecoderSlot(plane, bells, SLOT)


@pytest.fixture
def second_pass(plane: Plane, bells: Doorbells) -> SecondPassSlot:
    return SecondPassSlot(plane, bells, SLOT)


def open_question(second_pass: SecondPassSlot) -> Question:
    """The question that is open."""
    question = second_pass.question()
    assert question is not None
    return question


def test_nobody_has_asked_anything_yet(second_pass: SecondPassSlot) -> None:
    assert second_pass.question() is None


@pytest.mark.parametrize("purpose", Purpose)
def test_a_question_is_open_until_it_is_answered(
    decoder: DecoderSlot, second_pass: SecondPassSlot, purpose: Purpose
) -> None:
    number = decoder.ask(*ASKED, purpose)
    question = Question(number, *ASKED, purpose)
    assert second_pass.question() == question
    assert second_pass.question() == question, "looking takes nothing away"
    assert_answered(decoder, second_pass, question)


def test_the_newest_question_replaces_an_open_one(
    decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    decoder.ask(*ASKED, Purpose.FINAL)
    number = decoder.ask(300, 400, Purpose.PARTIAL)
    assert_answered(decoder, second_pass, Question(number, 300, 400, Purpose.PARTIAL))


def test_the_answer_to_a_replaced_question_is_not_the_newests(
    decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    decoder.ask(*ASKED, Purpose.PARTIAL)
    old = second_pass.question()
    assert old is not None
    number = decoder.ask(300, 400, Purpose.PARTIAL)
    second_pass.answer(old, heard_in(*ASKED))
    assert_answered(decoder, second_pass, Question(number, 300, 400, Purpose.PARTIAL))


def test_an_answer_stands_until_the_next_question_is_answered(
    decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    number = decoder.ask(*ASKED, Purpose.PARTIAL)
    question = serve(second_pass)
    assert question is not None
    with pytest.raises(AssertionError, match="answered once"):
        second_pass.answer(question, ())
    assert decoder.answer(number) == heard_in(*ASKED)


@pytest.mark.parametrize("before_the_end", [0, 1, 40, 99, 100])
def test_audio_is_copied_around_the_rings_end(
    frontend: FrontendSlot, decoder: DecoderSlot, second_pass: SecondPassSlot, before_the_end: int
) -> None:
    settled = ResumePoint(1, RING - 100, 0, 0, RING - 100)
    decoder.publish(final(epoch=frontend.epoch, resume=settled))
    frontend.write_audio(np.arange(RING, RING + 100).astype(np.int16))
    start = RING - before_the_end
    decoder.ask(start, start + 100, Purpose.PARTIAL)
    question = open_question(second_pass)
    audio = second_pass.audio(question)
    assert audio.dtype == np.int16
    assert audio.tolist() == list(range(start, start + 100))


def test_audio_is_a_copy(
    frontend: FrontendSlot, decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    decoder.ask(0, 3, Purpose.PARTIAL)
    question = open_question(second_pass)
    audio = second_pass.audio(question)
    settled = ResumePoint(1, RING, 0, 0, RING)
    decoder.publish(final(epoch=frontend.epoch, resume=settled))
    frontend.write_audio(np.full(RING, -1, np.int16))
    assert audio.tolist() == [0, 1, 2]


@pytest.mark.parametrize("length", [0, 1, LONGEST])
def test_a_question_of_any_length_up_to_the_longest(
    decoder: DecoderSlot, second_pass: SecondPassSlot, length: int
) -> None:
    number = decoder.ask(7, 7 + length, Purpose.PARTIAL)
    assert_answered(decoder, second_pass, Question(number, 7, 7 + length, Purpose.PARTIAL))


def test_every_slot_is_asked_and_answered_for_itself(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    others = [slot for slot in range(SMALL.slots) if slot != SLOT]
    numbers = {slot: DecoderSlot(plane, bells, slot).ask(0, 1, Purpose.PARTIAL) for slot in others}
    assert second_pass.question() is None
    number = decoder.ask(*ASKED, Purpose.PARTIAL)
    serve(second_pass)
    assert decoder.answer(number) == heard_in(*ASKED)
    for slot in others:
        assert SecondPassSlot(plane, bells, slot).question() is not None
        assert DecoderSlot(plane, bells, slot).answer(numbers[slot]) is None


def test_asking_and_answering_ring_the_other_side_alone(
    bells: Doorbells, decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    everyone = (*bells.frontends, *bells.workers, *bells.decoders, *bells.second_passes)
    for bell in everyone:
        bell.clear()
    decoder.ask(*ASKED, Purpose.PARTIAL)
    assert [bell for bell in everyone if was_rung(bell)] == [bells.second_pass_of(SLOT)]
    serve(second_pass)
    assert [bell for bell in everyone if was_rung(bell)] == [bells.decoder_of(SLOT)]


def test_a_question_is_numbered_after_its_range_is_written(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot
) -> None:
    """At every store of `ask` a second pass that looks sees no question yet."""
    second_pass = SecondPassSlot(plane, bells, SLOT)
    seen: list[Question | None] = []

    def look(access: str) -> None:
        if access == "store":
            seen.append(second_pass.question())

    number = DecoderSlot(WatchedPlane(plane, look), bells, SLOT).ask(*ASKED, Purpose.FINAL)
    assert seen == [None] * 4, "three words of the question and its number"
    assert second_pass.question() == Question(number, *ASKED, Purpose.FINAL)


def test_an_answer_is_numbered_after_it_is_written(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot
) -> None:
    seen: list[bytes] = []

    def look(access: str) -> None:
        if access == "store":
            seen.append(bytes(plane.bytes(plane.layout.answer(SLOT), layout.ANSWER_BYTES)))

    decoder.ask(*ASKED, Purpose.PARTIAL)
    serve(SecondPassSlot(WatchedPlane(plane, look), bells, SLOT))
    assert read_heard(memoryview(seen[-1])) == heard_in(*ASKED), "the last store publishes it"


# -- deaths over what is heard


def successor(plane: Plane, bells: Doorbells) -> SecondPassSlot:
    """Of a second pass that has just died."""
    return SecondPassSlot(plane, bells, SLOT)


def test_who_dies_hearing_a_question_is_counted(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    decoder.ask(*ASKED, Purpose.FINAL)
    question = open_question(second_pass)
    for deaths in range(20):
        assert second_pass.lost_hearings(question) == deaths
        second_pass.begin(question)
        second_pass = successor(plane, bells)


def test_who_dies_while_it_waits_is_not(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    decoder.ask(*ASKED, Purpose.FINAL)
    question = open_question(second_pass)
    assert successor(plane, bells).lost_hearings(question) == 0
    second_pass.begin(question)
    second_pass.interrupt(question)
    assert successor(plane, bells).lost_hearings(question) == 0, "it had been put off"


def test_an_answer_clears_the_segment(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    decoder.ask(*ASKED, Purpose.AHEAD)
    question = open_question(second_pass)
    second_pass.begin(question)
    second_pass.begin(question)
    second_pass.answer(question, heard_in(*ASKED))
    assert successor(plane, bells).lost_hearings(question) == 0


@pytest.mark.parametrize(("asked", "deaths"), [((100, 300), 1), ((101, 200), 0), ((200, 300), 0)])
def test_deaths_count_for_every_question_about_the_segment(
    decoder: DecoderSlot, second_pass: SecondPassSlot, asked: tuple[int, int], deaths: int
) -> None:
    """Also for one that the successor of a dead decoder asks again."""
    decoder.ask(*ASKED, Purpose.PARTIAL)
    question = open_question(second_pass)
    second_pass.begin(question)
    decoder.ask(*asked, Purpose.FINAL)
    other = second_pass.question()
    assert other is not None
    assert second_pass.lost_hearings(other) == deaths


def test_what_is_given_up_is_answered_by_nothing_and_not_cleared(
    decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    number = decoder.ask(*ASKED, Purpose.FINAL)
    question = open_question(second_pass)
    second_pass.begin(question)
    second_pass.give_up(question)
    assert decoder.answer(number) == ()
    assert second_pass.lost_hearings(question) == 1


def test_a_withdrawn_question_neither_kills_nor_clears(
    decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    decoder.ask(*ASKED, Purpose.FINAL)
    question = open_question(second_pass)
    second_pass.begin(question)
    decoder.withdraw()
    nothing = second_pass.question()
    assert nothing is not None
    for end in (second_pass.begin, second_pass.interrupt, lambda it: second_pass.answer(it, ())):
        assert second_pass.lost_hearings(nothing) == 0
        end(nothing)
    assert second_pass.lost_hearings(question) == 1


def test_segment_and_count_change_in_one_store(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot
) -> None:
    """A second pass that dies between two would leave a count of another segment."""
    decoder.ask(*ASKED, Purpose.FINAL)
    stores: list[str] = []
    watched = WatchedPlane(plane, stores.append)
    second_pass = SecondPassSlot(watched, bells, SLOT)
    question = open_question(second_pass)
    second_pass.begin(question)
    assert stores.count("store") == 1


def test_an_answer_that_was_changed_is_none(plane: Plane, bells: Doorbells) -> None:
    decoder, second_pass = DecoderSlot(plane, bells, 0), SecondPassSlot(plane, bells, 0)
    number = decoder.ask(0, 100, Purpose.FINAL)
    question = open_question(second_pass)
    second_pass.answer(question, [Heard("word", -1.0)])
    plane.bytes(plane.layout.answer(0) + 20, 1)[0] ^= 1
    assert decoder.answer(number) == ()
