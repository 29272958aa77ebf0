"""A slot's questions: the same range is asked once, and no hope is left without a second pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpu_worker.second_pass.questions import GIVEN_UP_AFTER_STARTS, Questions
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.heard import Heard, Purpose
from shm.plane import Plane
from shm.process_line import ProcessLine
from shm.second_pass_slot import Question, SecondPassSlot
from tests.gpu_worker.second_pass.asking import GEOMETRY


class Room:
    """A slot's questions, and the second pass that finds them."""

    def __init__(self, plane: Plane, bells: Doorbells) -> None:
        self.questions = Questions(DecoderSlot(plane, bells, 0))
        self.second_pass = SecondPassSlot(plane, bells, 0)
        self._line = ProcessLine(plane, plane.layout.second_pass_process(0))
        self._generation = 0
        self.dies()

    def dies(self) -> None:
        """The second pass does, and has a successor."""
        self._generation += 1
        self._line.announce(self._generation)

    def goes_round(self) -> None:
        self._line.proven()

    def open(self) -> Question:
        question = self.second_pass.question()
        assert question is not None
        return question


@pytest.fixture
def room() -> Iterator[Room]:
    plane, bells = Plane.create(GEOMETRY), Doorbells.create(GEOMETRY)
    yield Room(plane, bells)
    plane.close()
    bells.close()


def test_a_question_waits_for_its_own_answer(room: Room) -> None:
    room.questions.ask(0, 9, Purpose.PARTIAL)
    first = room.open()
    room.questions.ask(0, 12, Purpose.FINAL)
    room.second_pass.answer(first, [Heard("old", -1.0)])
    assert room.questions.answer() is None
    room.second_pass.answer(room.open(), [Heard("new", -1.0)])
    assert room.questions.answer() == (Heard("new", -1.0),)


def test_the_final_of_what_was_asked_ahead_asks_nothing(room: Room) -> None:
    for _ in range(3):
        room.questions.ask_ahead(0, 9)
    assert room.open() == Question(1, 0, 9, Purpose.AHEAD)
    room.questions.ask(0, 9, Purpose.FINAL)
    assert room.open() == Question(1, 0, 9, Purpose.FINAL)


def test_what_an_utterance_has_outlasted_is_taken_back_and_not_asked_again(room: Room) -> None:
    room.questions.ask_ahead(0, 9)
    room.questions.outlast(9)
    assert room.open() == Question(1, 0, 9, Purpose.AHEAD)
    room.questions.outlast(10)
    taken_back = room.open()
    assert taken_back.start == taken_back.stop
    room.questions.ask_ahead(0, 9)
    assert room.open() == taken_back
    room.questions.ask_ahead(0, 12)
    assert room.open() == Question(3, 0, 12, Purpose.AHEAD)


def test_what_was_answered_need_not_be_taken_back(room: Room) -> None:
    room.questions.ask_ahead(0, 9)
    room.second_pass.answer(room.open(), [])
    room.questions.outlast(10)
    assert room.second_pass.question() is None


@pytest.mark.parametrize("asked", [(0, 10), (1, 9)])
def test_any_other_range_is_asked_anew(room: Room, asked: tuple[int, int]) -> None:
    room.questions.ask_ahead(0, 9)
    room.questions.ask(*asked, Purpose.FINAL)
    assert room.open() == Question(2, *asked, Purpose.FINAL)


def test_a_partial_over_the_same_range_is_another_question(room: Room) -> None:
    """It is heard quickly only."""
    room.questions.ask_ahead(0, 9)
    room.questions.ask(0, 9, Purpose.PARTIAL)
    assert room.open() == Question(2, 0, 9, Purpose.PARTIAL)
    room.questions.ask(0, 9, Purpose.FINAL)
    assert room.open() == Question(3, 0, 9, Purpose.FINAL)


def test_another_segment_takes_no_answer_of_the_last(room: Room) -> None:
    room.questions.ask_ahead(0, 9)
    room.questions.forget()
    room.questions.ask(0, 9, Purpose.FINAL)
    assert room.open().number == 2


def test_no_hope_is_left_when_second_passes_die_as_they_begin(room: Room) -> None:
    room.questions.ask(0, 9, Purpose.FINAL)
    for _ in range(GIVEN_UP_AFTER_STARTS):
        assert not room.questions.is_hopeless
        room.dies()
    assert room.questions.is_hopeless
    room.questions.ask(0, 12, Purpose.FINAL)
    assert room.questions.is_hopeless, "the next question need not wait for as many"
    room.goes_round()
    assert not room.questions.is_hopeless


def test_however_many_die_of_something_else_it_is_waited_for(room: Room) -> None:
    room.questions.ask(0, 9, Purpose.FINAL)
    for _ in range(3 * GIVEN_UP_AFTER_STARTS):
        room.goes_round()
        room.dies()
    assert not room.questions.is_hopeless


def test_what_is_withdrawn_has_no_audio_and_is_withdrawn_once(room: Room) -> None:
    room.questions.ask(0, 9, Purpose.FINAL)
    room.questions.withdraw()
    room.questions.withdraw()
    question = room.open()
    assert (question.number, question.start) == (2, question.stop)
