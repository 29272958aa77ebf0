"""Questions and answers while both sides go on, are stopped between stores, and die.

The exchange has no lock and no acknowledgement: what is tested is that a number alone tells which
answer is whose.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations_with_replacement

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shm import second_pass_slot
from shm.decoder_slot import DecoderSlot
from shm.doorbell import Doorbell
from shm.doorbells import Doorbells
from shm.heard import Heard, Purpose, write_heard
from shm.plane import Plane
from shm.second_pass_slot import Question, SecondPassSlot
from tests.shm.hearing import LONGEST, SLOT, assert_answered, heard_in, opened, serve
from tests.shm.planes import SMALL
from tests.shm.watched_plane import CrashError, Fuse, Stepped, WatchedPlane

RING = SMALL.ring_samples
OLD = (100, 200)
LATER = [
    (200, 300),  # with the old range it makes none at all, or both together
    (150, 250),  # any part of the two
    (100 + LONGEST, 200 + LONGEST),  # a longer one than may be asked, though the ring holds it
    (RING - 100, RING),  # a backward one
]
LOADS_OF_A_LOOK = 5
STORES_OF_ASKING = 4


@pytest.fixture
def decoder(plane: Plane, bells: Doorbells) -> DecoderSlot:
    opened(plane, bells)
    return DecoderSlot(plane, bells, SLOT)


@pytest.fixture
def second_pass(plane: Plane, bells: Doorbells) -> SecondPassSlot:
    return SecondPassSlot(plane, bells, SLOT)


def test_there_are_as_many_stores_and_loads_as_are_tried(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot
) -> None:
    accesses: list[str] = []
    watched = WatchedPlane(plane, accesses.append)
    asking, looking = DecoderSlot(watched, bells, SLOT), SecondPassSlot(watched, bells, SLOT)
    accesses.clear()
    asking.ask(*OLD, Purpose.PARTIAL)
    assert accesses.count("store") == STORES_OF_ASKING
    accesses.clear()
    looking.question()
    assert accesses == ["load"] * LOADS_OF_A_LOOK


@pytest.mark.parametrize("later", LATER)
def test_a_question_that_is_replaced_while_it_is_looked_at_and_answered(
    plane: Plane,
    bells: Doorbells,
    decoder: DecoderSlot,
    second_pass: SecondPassSlot,
    later: tuple[int, int],
) -> None:
    """In every order of the loads of the look, the answer, and the stores of the next question.

    What was read may be of both questions. It must be something that can be heard, and it is an
    answer only to what the decoder has numbered, and then to all of it.
    """
    mixed = 0
    orders = combinations_with_replacement(range(STORES_OF_ASKING + 1), LOADS_OF_A_LOOK + 1)
    for stores_made in orders:
        old = decoder.ask(*OLD, Purpose.PARTIAL)
        newest = Question(old + 1, *later, Purpose.FINAL)
        watched = WatchedPlane(plane, lambda _: None)
        asking = DecoderSlot(watched, bells, SLOT)
        other = Stepped(watched, partial(asking.ask, *later, Purpose.FINAL))
        steps = iter(stores_made)

        def step(access: str, other: Stepped = other, steps: Iterator[int] = steps) -> None:
            other.made(next(steps, 0))

        looked = serve(SecondPassSlot(WatchedPlane(plane, step), bells, SLOT))
        other.finish()
        if looked is None or looked.number == old:
            assert_answered(decoder, second_pass, newest)
            mixed += looked is None or (looked.start, looked.stop) != OLD
        else:
            assert looked == newest
            assert decoder.answer(newest.number) == heard_in(*later)
    assert mixed, "some of these orders have torn the range"


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("stores", range(STORES_OF_ASKING))
def test_a_decoder_that_dies_while_it_asks(
    plane: Plane,
    bells: Doorbells,
    decoder: DecoderSlot,
    second_pass: SecondPassSlot,
    stores: int,
    answered: bool,
    later: tuple[int, int],
) -> None:
    """It leaves a mixed range behind, until its successor asks; nobody is stopped by it."""
    old = decoder.ask(*OLD, Purpose.PARTIAL)
    if answered:
        serve(second_pass)
    fuse = Fuse()
    dying = DecoderSlot(WatchedPlane(plane, fuse), bells, SLOT)
    fuse.stores = stores
    with pytest.raises(CrashError):
        dying.ask(*later, Purpose.FINAL)
    looked = [serve(second_pass) for _ in range(3)]
    assert sum(question is not None for question in looked) <= 1, "at most one answer to nobody"
    successor = DecoderSlot(plane, bells, SLOT)
    number = successor.ask(300, 350, Purpose.PARTIAL)
    assert number == old + 1
    assert_answered(successor, second_pass, Question(number, 300, 350, Purpose.PARTIAL))


def test_a_decoder_that_dies_before_its_bell_has_asked(
    plane: Plane,
    bells: Doorbells,
    decoder: DecoderSlot,
    second_pass: SecondPassSlot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second pass looks again by itself; the successor's question has a number of its own."""
    with monkeypatch.context() as patch:
        patch.setattr(Doorbell, "ring", die)
        with pytest.raises(CrashError):
            decoder.ask(*OLD, Purpose.PARTIAL)
    assert serve(second_pass) == Question(1, *OLD, Purpose.PARTIAL)
    successor = DecoderSlot(plane, bells, SLOT)
    number = successor.ask(*OLD, Purpose.PARTIAL)
    assert_answered(successor, second_pass, Question(number, *OLD, Purpose.PARTIAL))


@pytest.mark.parametrize("dies", ["while it hears", "while it writes", "before the number"])
def test_a_second_pass_that_dies_leaves_the_question_to_its_successor(
    plane: Plane,
    bells: Doorbells,
    decoder: DecoderSlot,
    dies: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = decoder.ask(*OLD, Purpose.FINAL)
    dying = SecondPassSlot(WatchedPlane(plane, Fuse(stores=0)), bells, SLOT)
    with monkeypatch.context() as patch:
        if dies == "while it hears":
            patch.setattr(SecondPassSlot, "audio", die)
        if dies == "while it writes":
            patch.setattr(second_pass_slot, "write_heard", write_half)
        with pytest.raises(CrashError):
            serve(dying)
    successor = SecondPassSlot(plane, bells, SLOT)
    assert_answered(decoder, successor, Question(number, *OLD, Purpose.FINAL))


def test_a_second_pass_that_dies_before_its_bell_has_answered(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder looks again by itself; the successor has nothing to do."""
    number = decoder.ask(*OLD, Purpose.PARTIAL)
    dying = SecondPassSlot(plane, bells, SLOT)
    with monkeypatch.context() as patch:
        patch.setattr(Doorbell, "ring", die)
        with pytest.raises(CrashError):
            serve(dying)
    assert SecondPassSlot(plane, bells, SLOT).question() is None
    assert decoder.answer(number) == heard_in(*OLD)


def test_a_second_pass_that_dies_over_a_replaced_question_leaves_the_newest(
    plane: Plane, bells: Doorbells, decoder: DecoderSlot, second_pass: SecondPassSlot
) -> None:
    """Its predecessor's answer was half written over another: neither is the newest's."""
    decoder.ask(*OLD, Purpose.PARTIAL)
    serve(second_pass)
    decoder.ask(300, 400, Purpose.PARTIAL)
    taken = second_pass.question()
    assert taken is not None
    number = decoder.ask(400, 500, Purpose.PARTIAL)
    dying = SecondPassSlot(WatchedPlane(plane, Fuse(stores=0)), bells, SLOT)
    with pytest.raises(CrashError):
        dying.answer(taken, heard_in(300, 400))
    successor = SecondPassSlot(plane, bells, SLOT)
    assert_answered(decoder, successor, Question(number, 400, 500, Purpose.PARTIAL))


class QuestionsAndAnswers(RuleBasedStateMachine):
    """A decoder that asks and forgets, a second pass that takes its time, and deaths of both."""

    def __init__(self) -> None:
        super().__init__()
        self.plane = Plane.create(SMALL)
        self.bells = Doorbells.create(SMALL)
        opened(self.plane, self.bells)
        self.decoder = DecoderSlot(self.plane, self.bells, SLOT)
        self.second_pass = SecondPassSlot(self.plane, self.bells, SLOT)
        self.newest: Question | None = None  # of the decoder that lives
        self.taken: Question | None = None

    ranges = st.tuples(st.integers(0, RING), st.integers(0, RING)).map(sorted).map(tuple)
    short_ranges = ranges.filter(lambda asked: asked[1] - asked[0] <= LONGEST)

    @rule(asked=short_ranges, purpose=st.sampled_from(Purpose))
    def ask(self, asked: tuple[int, int], purpose: Purpose) -> None:
        number = self.decoder.ask(*asked, purpose)
        assert self.newest is None or number == self.newest.number + 1
        self.newest = Question(number, *asked, purpose)

    @rule(asked=short_ranges, stores=st.integers(0, STORES_OF_ASKING - 1))
    def die_asking(self, asked: tuple[int, int], stores: int) -> None:
        fuse = Fuse()
        dying = DecoderSlot(WatchedPlane(self.plane, fuse), self.bells, SLOT)
        fuse.stores = stores
        with pytest.raises(CrashError):
            dying.ask(*asked, Purpose.FINAL)
        self.decoder = DecoderSlot(self.plane, self.bells, SLOT)
        self.newest = None

    @rule()
    def take(self) -> None:
        self.taken = self.second_pass.question()
        assert self.taken is None or 0 <= self.taken.stop - self.taken.start <= LONGEST

    @precondition(lambda self: self.taken is not None)
    @rule(dies=st.booleans())
    def answer(self, dies: bool) -> None:
        assert self.taken is not None
        heard = heard_in(self.taken.start, self.taken.stop)
        if dies:
            dying = SecondPassSlot(WatchedPlane(self.plane, Fuse(stores=0)), self.bells, SLOT)
            with pytest.raises(CrashError):
                dying.answer(self.taken, heard)
            self.second_pass = SecondPassSlot(self.plane, self.bells, SLOT)
        else:
            self.second_pass.answer(self.taken, heard)
        self.taken = None

    @invariant()
    def what_is_told_is_what_was_asked(self) -> None:
        if self.newest is None:
            return
        told = self.decoder.answer(self.newest.number)
        assert told in {None, heard_in(self.newest.start, self.newest.stop)}
        assert (self.second_pass.question() == self.newest) is (told is None)

    def teardown(self) -> None:
        if self.newest is not None and self.decoder.answer(self.newest.number) is None:
            assert_answered(self.decoder, self.second_pass, self.newest)
        self.bells.close()
        self.plane.close()


TestQuestionsAndAnswers = QuestionsAndAnswers.TestCase
TestQuestionsAndAnswers.settings = settings(max_examples=60, deadline=None)


def die(*_: object) -> None:
    raise CrashError


def write_half(area: memoryview, heard: tuple[Heard, ...]) -> None:
    """The count promises more than was written."""
    write_heard(area, (*heard, Heard("and another", -2.0)))
    area[20:] = bytes(len(area) - 20)
    raise CrashError
