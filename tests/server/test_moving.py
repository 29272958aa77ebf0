"""A client that meets another frontend than the one that has its session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from server.admission import Admission, FrontendFigures
from server.api_keys import ApiKeys
from server.doorway import Doorway, ElsewhereError
from server.frontend_settings import ClientSettings
from server.handshake import RequestError
from server.keeping import Stream, slot_of
from server.moving import Moving
from shm.doorbells import Doorbells
from shm.layout import Geometry
from shm.plane import Plane
from shm.slot_pool import SlotPool
from shm.wishes import Wishes
from tests.server.test_keeping import Holder
from tests.shm.planes import was_rung

GEOMETRY = Geometry(3, 2, 1, 1, 16_000, 16, 640, 29)
RATE_HZ = 16_000
NEW = "/?downsample=True&sampleRate=16000&session=new"


class Pool(SlotPool):
    """Record locks are of processes; these are of pools."""

    locks: dict[int, SlotPool]

    def _lock(self, slot: int) -> bool:
        return self.locks.setdefault(slot, self) is self

    def _unlock(self, slot: int) -> None:
        del self.locks[slot]


class House:
    """Two frontends around one plane."""

    def __init__(self) -> None:
        self.plane = Plane.create(GEOMETRY)
        self.bells = Doorbells.create(GEOMETRY)
        self.locks: dict[int, SlotPool] = {}
        self.pools: list[Pool] = []
        self.doors = [self._door(frontend) for frontend in range(2)]

    def _door(self, frontend: int) -> Doorway:
        pool = Pool(self.plane, self.bells, frontend)
        pool.locks = self.locks
        self.pools.append(pool)
        admission = Admission(self.plane, pool, FrontendFigures(self.plane, frontend))
        moving = Moving(admission, Wishes(self.plane, self.bells, frontend), RATE_HZ)
        return Doorway(admission, RATE_HZ, ApiKeys(), ClientSettings(keep_session_s=30), moving)

    def enter(self, frontend: int, target: str, holder: Holder | None = None) -> Stream:
        door = self.doors[frontend]
        return door.admit(door.read(target, None), holder or Holder(), "192.0.2.1", 0.0)

    def pump(self) -> None:
        """Each looks in turn; twice, as one that is asked tells the other."""
        for door in self.doors * 2:
            door.pump(0.0)

    def die(self, frontend: int) -> None:
        """Its locks go with it, and nobody follows yet."""
        dead = self.pools[frontend]
        for slot in [slot for slot, pool in self.locks.items() if pool is dead]:
            del self.locks[slot]

    def close(self) -> None:
        self.plane.close()
        self.bells.close()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


def back(stream: Stream) -> str:
    return NEW.replace("=new", f"={stream.token}")


def ready(stream: Stream) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(stream.session.outgoing()[0])
    return message


def test_a_session_goes_to_where_its_client_is(house: House) -> None:
    stream = house.enter(0, NEW)
    stream.session.receive_audio(bytes(640))
    stream.session.receive_text("hello?")
    said = [json.loads(message) for message in stream.session.outgoing()]
    house.doors[0].lose(stream, 0.0)
    with pytest.raises(ElsewhereError):
        house.enter(1, back(stream))
    house.doors[1].pump(0.0)
    assert was_rung(house.bells.frontends[0]), "it is told"
    house.pump()
    assert was_rung(house.bells.frontends[1])
    here = house.enter(1, back(stream))
    assert ready(here)["audioBytes"] == 640
    assert (here.token, here.session.id) == (stream.token, said[0]["msgId"])
    here.session.come_back(None)
    assert json.loads(here.session.outgoing()[1]) == said[1]
    here.session.receive_audio(bytes(640))
    assert here.slot.measured.received_samples == 640
    assert here.slot.slot == stream.slot.slot


def test_back_and_forth(house: House) -> None:
    stream = house.enter(0, NEW)
    for number in range(1, 7):
        with pytest.raises(ElsewhereError):
            house.enter(number % 2, back(stream))
        house.pump()
        stream = house.enter(number % 2, back(stream))
        stream.session.receive_audio(bytes(640))
        assert stream.session.received_bytes == 640 * number


def test_a_connection_that_still_has_it_loses_it(house: House) -> None:
    holder = Holder()
    stream = house.enter(0, NEW, holder)
    with pytest.raises(ElsewhereError):
        house.enter(1, back(stream))
    house.pump()
    assert holder.handed_over == 1
    house.enter(1, back(stream))


def test_of_a_dead_frontend_it_is_taken_before_its_successor_is_there(house: House) -> None:
    stream = house.enter(0, NEW)
    house.die(0)
    with pytest.raises(ElsewhereError):
        house.enter(1, back(stream))
    house.doors[1].pump(0.0)
    house.enter(1, back(stream))


def test_what_was_let_go_for_one_that_died_comes_back(house: House) -> None:
    stream = house.enter(0, NEW)
    with pytest.raises(ElsewhereError):
        house.enter(1, back(stream))
    house.doors[1].pump(0.0)
    house.doors[0].pump(0.0)
    assert house.locks == {}, "let go"
    house.doors[1] = house._door(1)
    house.doors[0].look_at_the_clock(1.0)
    house.pump()
    assert house.enter(0, back(stream)).slot.slot == stream.slot.slot


def test_several_are_asked_for_one_after_another(house: House) -> None:
    streams = [house.enter(0, NEW) for _ in range(3)]
    for stream in streams:
        with pytest.raises(ElsewhereError):
            house.enter(1, back(stream))
    house.pump()
    house.pump()
    house.pump()
    for stream in streams:
        assert house.enter(1, back(stream)).slot.slot == stream.slot.slot


def test_one_that_ends_meanwhile_is_gone(house: House) -> None:
    stream = house.enter(0, NEW)
    with pytest.raises(ElsewhereError):
        house.enter(1, back(stream))
    house.doors[1].pump(0.0)
    house.doors[0].leave(stream)
    house.pump()
    with pytest.raises(RequestError) as refused:
        house.enter(1, back(stream))
    assert refused.value.http_status == 410
    again = house.enter(0, NEW)
    house.pump()
    assert house.locks[again.slot.slot] is house.pools[0], "the wish was for another session"


def test_a_session_that_is_closing_is_not_let_go_and_keeps_nobody_waiting(house: House) -> None:
    closing, other = house.enter(0, NEW), house.enter(0, NEW)
    closing.session.receive_audio(bytes(640))
    closing.session.end()
    for stream in (closing, other):
        with pytest.raises(ElsewhereError):
            house.enter(1, back(stream))
    house.pump()
    assert house.locks[closing.slot.slot] is house.pools[0]
    assert house.locks[other.slot.slot] is house.pools[0], "it comes after the first"
    door = house.doors[1]
    opening = door.read(back(other), None)
    with pytest.raises(ElsewhereError):
        door.admit(opening, Holder(), "192.0.2.1", 2.0)
    for _ in range(2):
        house.doors[1].pump(2.0)
        house.doors[0].pump(2.0)
    house.doors[1].pump(2.0)
    assert door.admit(opening, Holder(), "192.0.2.1", 2.0).slot.slot == other.slot.slot


def test_one_of_its_own_that_cannot_be_come_back_to_is_gone(house: House) -> None:
    stream = house.enter(0, NEW)
    stream.session.receive_audio(bytes(640))
    stream.session.end()
    with pytest.raises(RequestError) as refused:
        house.enter(0, back(stream))
    assert refused.value.http_status == 410


@pytest.mark.parametrize("token", ["another.{slot}", "{secret}.2", "{secret}", "{secret}.99999"])
def test_a_token_has_to_be_that_of_the_session(house: House, token: str) -> None:
    stream = house.enter(0, NEW)
    assert stream.token is not None
    secret = stream.token.rpartition(".")[0]
    wrong = token.format(slot=stream.slot.slot, secret=secret)
    with pytest.raises(RequestError) as refused:
        house.enter(1, NEW.replace("=new", f"={wrong}"))
    assert refused.value.http_status == 410


def test_a_fresh_stream_takes_a_slot_that_was_left_open_last(house: House) -> None:
    kept = house.enter(0, NEW)
    house.die(0)
    others = [house.enter(1, "/") for _ in range(2)]
    assert kept.slot.slot not in {other.slot.slot for other in others}
    assert house.enter(1, "/").slot.slot == kept.slot.slot, "a client that is there counts more"


def test_a_tokens_slot() -> None:
    assert slot_of("abc.12") == 12
    for wrong in ("", "abc", "abc.", "abc.-1", "abc.1.", "abc.²", "abc.99999"):
        assert slot_of(wrong) is None
