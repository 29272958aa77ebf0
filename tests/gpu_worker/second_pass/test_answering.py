from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from gpu_worker.second_pass.answering import GIVEN_UP_AFTER_DEATHS, Answering
from shm.audio_ring import Samples
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.heard import Heard, Purpose
from shm.plane import Plane
from shm.second_pass_slot import SecondPassSlot
from tests.gpu_worker.tiny import TINY, geometry_of

SLOTS = 4
GEOMETRY = geometry_of(TINY, slots=SLOTS, second_passes=1)


class _DeathError(Exception):
    """Of the second pass, whatever it is doing."""


class Room:
    """Slots whose audio names them, their decoders, and a model that hears the names."""

    def __init__(self, plane: Plane, bells: Doorbells, batch: int) -> None:
        self.asked: list[list[int]] = []
        self.thorough: list[bool] = []
        self.meanwhile: Callable[[], object] = lambda: None
        """What happens while the next audio is heard."""
        self.decoders = [DecoderSlot(plane, bells, slot) for slot in range(SLOTS)]
        for slot in range(SLOTS):
            audio = np.full(40, 100 + slot, np.int16)
            FrontendSlot.begin(plane, bells, slot, frontend=0).write_audio(audio)
        self.deadly: set[int] = set()
        """Slots whose audio kills whoever hears it."""
        self._plane, self._bells, self._batch = plane, bells, batch
        self.answer_anew()

    def answer_anew(self) -> None:
        """A second pass begins, perhaps behind one that died."""
        slots = [SecondPassSlot(self._plane, self._bells, slot) for slot in range(SLOTS)]
        self.answering = Answering(slots, self._hear, self._batch)

    def ask(self, slot: int, purpose: Purpose = Purpose.PARTIAL, stop: int = 10) -> int:
        return self.decoders[slot].ask(0, stop, purpose)

    def rounds(self) -> list[list[int]]:
        """The slots that are answered, round by round, until no question is open."""
        known = len(self.asked)
        while self.answering.round():
            pass
        return [slots for slots in self.asked[known:] if slots]

    def outlive(self) -> tuple[list[list[int]], int]:
        """As `rounds`, by as many second passes as it takes, and how many of them died."""
        known, deaths = len(self.asked), 0
        while True:
            try:
                self.rounds()
                return self.asked[known:], deaths
            except _DeathError:
                deaths += 1
                self.answer_anew()

    def _hear(
        self, audio: Sequence[Samples], *, thorough: bool, while_waiting: Callable[[], None]
    ) -> list[tuple[Heard, ...]]:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        while_waiting()
        if self.deadly.intersection(int(samples[0]) - 100 for samples in audio if len(samples)):
            raise _DeathError
        if audio:
            self.thorough.append(thorough)
        self.asked.append([int(samples[0]) - 100 for samples in audio if len(samples)])
        return [
            (Heard(f"slot {samples[0] - 100} {len(samples)}", -1.0),) if len(samples) else ()
            for samples in audio
        ]


@pytest.fixture
def plane() -> Iterator[Plane]:
    plane = Plane.create(GEOMETRY)
    yield plane
    plane.close()


@pytest.fixture
def bells() -> Iterator[Doorbells]:
    bells = Doorbells.create(GEOMETRY)
    yield bells
    bells.close()


def test_without_a_question_there_is_nothing_to_do(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 2)
    assert room.answering.round() is False
    assert room.rounds() == []


def test_a_question_is_answered_once(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 2)
    number = room.ask(1)
    assert room.decoders[1].answer(number) is None
    assert room.answering.round() is True
    assert room.decoders[1].answer(number) == (Heard("slot 1 10", -1.0),)
    assert room.answering.round() is False


@pytest.mark.parametrize("batch", [1, 2, SLOTS])
def test_an_answer_goes_to_its_own_slot(plane: Plane, bells: Doorbells, batch: int) -> None:
    room = Room(plane, bells, batch)
    numbers = {slot: room.ask(slot, Purpose(slot % 3), stop=10 + slot) for slot in (3, 0, 2, 1)}
    room.rounds()
    for slot, number in numbers.items():
        assert room.decoders[slot].answer(number) == (Heard(f"slot {slot} {10 + slot}", -1.0),)


def test_the_most_urgent_come_first(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 1)
    for slot, purpose in enumerate([0, 2, 1, 2]):
        room.ask(slot, Purpose(purpose))
    assert room.rounds() == [[1], [3], [2], [0]]


def test_a_batch_takes_no_more_than_its_limit(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 3)
    for slot in range(SLOTS):
        room.ask(slot, Purpose.FINAL if slot == 3 else Purpose.PARTIAL)
    assert room.rounds() == [[3], [0, 1, 2]]


def test_in_turn(plane: Plane, bells: Doorbells) -> None:
    """A slot that asks again at once waits for those that have waited longer."""
    room = Room(plane, bells, 1)
    for slot in range(SLOTS):
        room.ask(slot)
    answered = []
    for _ in range(2 * SLOTS):
        assert room.answering.round()
        (slot,) = room.asked[-1]
        answered.append(slot)
        room.ask(slot)
    assert answered == [0, 1, 2, 3, 0, 1, 2, 3]


def test_in_turn_among_those_for_finals(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 1)
    room.ask(0, Purpose.FINAL)
    room.ask(2, Purpose.FINAL)
    assert room.answering.round()
    room.ask(0, Purpose.FINAL)
    assert room.rounds() == [[2], [0]]


def test_finals_are_heard_thoroughly_and_apart_from_partials(
    plane: Plane, bells: Doorbells
) -> None:
    room = Room(plane, bells, 3)
    for slot in range(SLOTS):
        room.ask(slot, Purpose.PARTIAL if slot == 1 else Purpose.FINAL)
    assert room.rounds() == [[0, 2, 3], [1]]
    assert room.thorough == [True, False]


def test_a_successor_answers_what_its_predecessor_left(plane: Plane, bells: Doorbells) -> None:
    number = Room(plane, bells, 1).ask(2)
    successor = Answering(
        [SecondPassSlot(plane, bells, slot) for slot in range(SLOTS)],
        lambda audio, thorough, while_waiting: [
            (Heard(f"{len(samples)}", 0.0),) for samples in audio
        ],
        1,
    )
    assert successor.round()
    assert DecoderSlot(plane, bells, 2).answer(number) == (Heard("10", 0.0),)


# -- giving up what is being heard


@pytest.mark.parametrize("purpose", [Purpose.PARTIAL, Purpose.AHEAD])
def test_a_final_does_not_wait_for_what_is_being_heard(
    plane: Plane, bells: Doorbells, purpose: Purpose
) -> None:
    room = Room(plane, bells, 1)
    room.ask(0, purpose)
    room.meanwhile = lambda: room.ask(1, Purpose.FINAL)
    assert room.rounds() == [[1], [0]], "the other one is heard after it, from its beginning"


def test_a_final_is_heard_to_its_end(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 1)
    room.ask(0, Purpose.FINAL)
    room.meanwhile = lambda: room.ask(1, Purpose.FINAL)
    assert room.rounds() == [[0], [1]]


def test_nothing_but_a_final_is_worth_giving_up_for(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 1)
    room.ask(0, Purpose.PARTIAL)
    room.meanwhile = lambda: room.ask(1, Purpose.AHEAD)
    assert room.rounds() == [[0], [1]]


@pytest.mark.parametrize("purpose", list(Purpose))
def test_what_nobody_waits_for_any_more_is_not_heard_to_its_end(
    plane: Plane, bells: Doorbells, purpose: Purpose
) -> None:
    room = Room(plane, bells, 1)
    room.ask(0, purpose)
    room.meanwhile = room.decoders[0].withdraw
    assert room.rounds() == []


def test_a_question_that_another_one_replaced_is_given_up(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 1)
    room.ask(0, Purpose.AHEAD, stop=10)
    room.meanwhile = lambda: room.ask(0, Purpose.AHEAD, stop=20)
    room.rounds()
    assert room.asked == [[0]]
    assert room.decoders[0].answer(2) == (Heard("slot 0 20", -1.0),)


def test_a_batch_goes_on_for_those_who_still_wait(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 2)
    number = room.ask(1, Purpose.PARTIAL)
    room.ask(0, Purpose.PARTIAL)
    room.meanwhile = room.decoders[0].withdraw
    assert room.rounds() == [[0, 1]]
    assert room.decoders[1].answer(number) == (Heard("slot 1 10", -1.0),)


def test_hearing_that_is_hurried_while_it_lasts_is_not_given_up(
    plane: Plane, bells: Doorbells
) -> None:
    """A question asked ahead for which its own final waits now, as another one does."""
    room = Room(plane, bells, 1)
    number = room.ask(0, Purpose.AHEAD)

    def hurry_and_ask() -> None:
        room.decoders[0].hurry()
        room.ask(1, Purpose.FINAL)

    room.meanwhile = hurry_and_ask
    assert room.answering.round()
    assert room.asked == [[0]]
    assert room.decoders[0].answer(number) == (Heard("slot 0 10", -1.0),)


# -- questions that kill


def die() -> None:
    raise _DeathError


def test_what_kills_again_and_again_is_given_up(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 1)
    room.deadly = {1}
    number = room.ask(1, Purpose.FINAL)
    assert room.outlive() == ([], GIVEN_UP_AFTER_DEATHS)
    assert room.decoders[1].answer(number) == ()


def test_more_of_what_was_given_up_kills_nobody_else(plane: Plane, bells: Doorbells) -> None:
    """A final behind its partial, or the same asked again by a decoder's successor."""
    room = Room(plane, bells, 1)
    room.deadly = {1}
    room.ask(1, Purpose.PARTIAL)
    room.outlive()
    number = room.ask(1, Purpose.FINAL, stop=20)
    assert room.outlive() == ([], 0)
    assert room.decoders[1].answer(number) == ()


def test_what_was_withdrawn_and_is_asked_again_is_still_given_up(
    plane: Plane, bells: Doorbells
) -> None:
    room = Room(plane, bells, 1)
    room.deadly = {1}
    room.ask(1, Purpose.PARTIAL)
    room.outlive()
    room.decoders[1].withdraw()
    room.outlive()
    room.ask(1, Purpose.FINAL)
    assert room.outlive() == ([], 0)


@pytest.mark.parametrize("batch", [1, 2, SLOTS])
def test_the_others_are_answered_meanwhile(plane: Plane, bells: Doorbells, batch: int) -> None:
    """Also those that were heard beside it when it first killed."""
    room = Room(plane, bells, batch)
    room.deadly = {0}
    numbers = [room.ask(slot, Purpose.FINAL) for slot in range(SLOTS)]
    heard, deaths = room.outlive()
    assert deaths == GIVEN_UP_AFTER_DEATHS
    assert sorted(slot for slots in heard for slot in slots) == [1, 2, 3]
    for slot in (1, 2, 3):
        assert room.decoders[slot].answer(numbers[slot]) == (Heard(f"slot {slot} 10", -1.0),)
    assert room.decoders[0].answer(numbers[0]) == ()


def test_who_was_heard_beside_it_is_heard_alone_and_cleared(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, SLOTS)
    room.deadly = {0}
    for slot in (0, 1, 2):
        room.ask(slot, Purpose.FINAL)
    with pytest.raises(_DeathError):
        room.rounds()
    room.deadly = set()
    room.answer_anew()
    room.ask(3, Purpose.FINAL)
    assert room.outlive() == ([[3], [0], [1], [2]], 0)
    for slot in range(SLOTS):
        room.ask(slot, Purpose.FINAL, stop=20)
    assert room.outlive() == ([[3, 0, 1, 2]], 0), "nobody is suspected any more"


def test_a_suspect_has_its_turn_though_others_go_on_asking(plane: Plane, bells: Doorbells) -> None:
    """Where the second pass is busy without a pause, and innocent, a final would wait for ever."""
    room = Room(plane, bells, 1)
    room.meanwhile = die
    number = room.ask(0, Purpose.FINAL)
    with pytest.raises(_DeathError):
        room.answering.round()
    for slot in (1, 2, 3):
        room.ask(slot, Purpose.FINAL)
    room.answer_anew()
    for _ in range(SLOTS):
        assert room.answering.round()
        (heard,) = room.asked[-1]
        if heard != 0:
            room.ask(heard, Purpose.FINAL)
    assert room.asked == [[1], [2], [3], [0]]
    assert room.decoders[0].answer(number) == (Heard("slot 0 10", -1.0),)


def test_a_suspect_comes_before_what_is_less_urgent(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 1)
    room.meanwhile = die
    room.ask(1, Purpose.FINAL)
    room.ask(0, Purpose.AHEAD)
    assert room.outlive() == ([[1], [0]], 1)


def test_deaths_over_another_question_do_not_count(plane: Plane, bells: Doorbells) -> None:
    """However many there are while a question waits."""
    room = Room(plane, bells, 1)
    number = room.ask(0, Purpose.PARTIAL)
    for round_ in range(3 * GIVEN_UP_AFTER_DEATHS):
        room.decoders[1].ask(round_, round_ + 10, Purpose.FINAL)
        room.meanwhile = die
        with pytest.raises(_DeathError):
            room.answering.round()
        room.answer_anew()
    heard, deaths = room.outlive()
    assert (heard, deaths) == ([[1], [0]], 0)
    assert room.decoders[0].answer(number) == (Heard("slot 0 10", -1.0),)


def test_deaths_by_chance_do_not_add_up_over_an_answer(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 1)
    for stop in range(10, 10 + 2 * GIVEN_UP_AFTER_DEATHS):
        number = room.ask(0, Purpose.AHEAD, stop=stop)
        room.meanwhile = die
        assert room.outlive() == ([[0]], 1)
        assert room.decoders[0].answer(number) == (Heard(f"slot 0 {stop}", -1.0),)


def test_being_put_off_is_no_death(plane: Plane, bells: Doorbells) -> None:
    room = Room(plane, bells, 1)
    number = room.ask(0, Purpose.AHEAD)
    for _ in range(2 * GIVEN_UP_AFTER_DEATHS):
        room.meanwhile = lambda: room.ask(1, Purpose.FINAL)
        assert room.answering.round(), "given up for a final"
        assert room.answering.round(), "which is heard"
    assert room.outlive() == ([[0]], 0)
    assert room.decoders[0].answer(number) == (Heard("slot 0 10", -1.0),)


def test_a_successor_goes_on_where_the_count_was(plane: Plane, bells: Doorbells) -> None:
    """Of those that died by chance and one that was put off: only the dead count."""
    room = Room(plane, bells, 1)
    room.ask(0, Purpose.AHEAD)
    for _ in range(GIVEN_UP_AFTER_DEATHS - 1):
        room.meanwhile = die
        with pytest.raises(_DeathError):
            room.answering.round()
        room.answer_anew()
        room.meanwhile = lambda: room.ask(1, Purpose.FINAL)
        assert room.answering.round()
        assert room.answering.round()
    assert room.outlive() == ([[0]], 0)
