"""Sessions without a connection: whose, for how long, and whose place is taken first."""

from __future__ import annotations

from typing import Any, cast

import pytest

from server.handshake import Parameters
from server.keeping import GRACE_S, Keeping, NotTheSameError, Stream
from server.session import Session
from tests.server.fakes import FakeSlot

KEEP_S = 30.0
PARAMETERS = Parameters(16_000)


class Holder:
    """A connection that knows whether its session was taken from it."""

    def __init__(self) -> None:
        self.handed_over = 0

    def hand_over(self) -> None:
        self.handed_over += 1


class World:
    """Kept sessions, and those that were given up."""

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self.given_up: list[Stream] = []
        self.keeping = Keeping(keep_s, self.given_up.append)

    def begin(self, holder: Holder | None = None) -> Stream:
        token = self.keeping.new_token(7)
        slot = FakeSlot()
        session = Session(slot, PARAMETERS, 16_000, token)
        stream = Stream(
            session, cast(Any, slot), PARAMETERS, token=token, holder=holder or Holder()
        )
        self.keeping.add(stream)
        return stream

    def token_of(self, stream: Stream) -> str:
        assert stream.token is not None
        return stream.token


def test_a_client_comes_back_to_its_own_session() -> None:
    world = World()
    one, other = world.begin(), world.begin()
    assert one.token != other.token
    assert world.keeping.leave_alone(one, 100.0)
    holder = Holder()
    assert world.keeping.come_back(world.token_of(one), PARAMETERS, holder) is one
    assert one.holder is holder
    assert list(world.keeping.alone) == []
    world.keeping.give_up_overdue(1000.0)
    assert world.given_up == []


def test_the_newer_connection_wins() -> None:
    world, old, new = World(), Holder(), Holder()
    stream = world.begin(old)
    assert world.keeping.come_back(world.token_of(stream), PARAMETERS, new) is stream
    assert (old.handed_over, new.handed_over) == (1, 0)


def test_nobody_comes_back_to_what_is_not_there() -> None:
    world = World()
    stream = world.begin()
    assert world.keeping.come_back("another", PARAMETERS, Holder()) is None
    world.keeping.forget(stream)
    assert world.keeping.come_back(world.token_of(stream), PARAMETERS, Holder()) is None
    assert not world.keeping.leave_alone(stream, 0.0)


def test_parameters_are_the_same() -> None:
    world, old = World(), Holder()
    stream = world.begin(old)
    with pytest.raises(NotTheSameError) as refused:
        world.keeping.come_back(world.token_of(stream), Parameters(8000), Holder())
    assert refused.value.parameters == PARAMETERS
    assert not old.handed_over


def test_a_session_that_has_ended_is_not_kept() -> None:
    world = World()
    stream = world.begin()
    stream.session.end()
    assert not world.keeping.leave_alone(stream, 0.0)
    assert world.keeping.come_back(world.token_of(stream), PARAMETERS, Holder()) is None


def test_after_its_time_a_session_is_given_up() -> None:
    world = World()
    early, late = world.begin(), world.begin()
    world.keeping.leave_alone(early, 100.0)
    world.keeping.leave_alone(late, 110.0)
    world.keeping.give_up_overdue(100.0 + KEEP_S - 0.1)
    assert world.given_up == []
    world.keeping.give_up_overdue(100.0 + KEEP_S)
    assert world.given_up == [early]
    assert world.keeping.come_back(world.token_of(early), PARAMETERS, Holder()) is None
    assert list(world.keeping.alone) == [late]


def test_a_full_server_takes_the_place_of_the_one_that_is_longest_alone() -> None:
    world = World()
    streams = [world.begin() for _ in range(3)]
    for stream, since_s in ((streams[1], 100.0), (streams[0], 101.0)):
        world.keeping.leave_alone(stream, since_s)
    assert not world.keeping.make_room(100.0 + GRACE_S - 0.1)
    assert world.keeping.make_room(100.0 + GRACE_S)
    assert world.given_up == [streams[1]]
    assert not world.keeping.make_room(100.0 + GRACE_S)
    assert world.keeping.make_room(101.0 + GRACE_S)
    assert not world.keeping.make_room(1000.0)


def test_coming_and_going_counts_from_the_last_loss() -> None:
    world = World()
    stream = world.begin()
    world.keeping.leave_alone(stream, 100.0)
    world.keeping.come_back(world.token_of(stream), PARAMETERS, Holder())
    world.keeping.leave_alone(stream, 120.0)
    world.keeping.give_up_overdue(100.0 + KEEP_S)
    assert world.given_up == []


def test_at_the_end_all_are_given_up() -> None:
    world = World()
    alone, held = world.begin(), world.begin()
    world.keeping.leave_alone(alone, 0.0)
    world.keeping.give_up_all()
    assert world.given_up == [alone]
    assert held.holder is not None


def test_a_server_that_keeps_none_gives_no_token() -> None:
    assert World(keep_s=0).keeping.new_token(7) is None
