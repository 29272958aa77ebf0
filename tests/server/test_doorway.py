"""Who is let in, and how the others are counted."""

from __future__ import annotations

import json

import pytest

from server.api_keys import MISSING, WRONG, ApiKeys
from server.doorway import Doorway
from server.frontend_settings import ClientSettings
from server.handshake import Parameters, RequestError
from server.keeping import GRACE_S, Stream
from shm.figures import GIVEN_UP, RESUMED
from tests.server.fakes import FakePool
from tests.server.peers import doorway_of
from tests.server.test_keeping import Holder

KEY = "a-key-of-the-server"


def doorway(pool: FakePool, *keys: str, keep_session_s: int = 0) -> Doorway:
    return doorway_of(pool, ApiKeys(keys), ClientSettings(keep_session_s=keep_session_s))


def test_a_request_is_read() -> None:
    opening = doorway(FakePool()).read("/?text2int=1&apiKey=unasked", None)
    assert opening.parameters == Parameters(text2int=True)


@pytest.mark.parametrize(
    ("target", "authorization", "status", "reason", "said"),
    [
        ("/elsewhere", f"Bearer {KEY}", 404, "path", "connect to /"),
        ("/?rate=1", f"Bearer {KEY}", 400, "parameter", "unknown parameter"),
        ("/", None, 401, "key", MISSING),
        ("/?apiKey=wrong", None, 401, "key", WRONG),
        ("/?apiKey=%ff", None, 400, "parameter", "the value of apiKey is not"),
    ],
)
def test_a_refusal_is_counted_by_its_reason(
    target: str, authorization: str | None, status: int, reason: str, said: str
) -> None:
    pool = FakePool()
    with pytest.raises(RequestError) as refused:
        doorway(pool, KEY).read(target, authorization)
    assert (refused.value.http_status, pool.refused) == (status, [reason])
    assert said in refused.value.message
    assert (dict(refused.value.headers).get("WWW-Authenticate") is not None) == (status == 401)


def test_keys_may_change() -> None:
    door = doorway(FakePool(), KEY)
    door.read("/", f"Bearer {KEY}")
    door.keys = ApiKeys(["another-key-of-the-server"])
    with pytest.raises(RequestError, match=WRONG):
        door.read("/", f"Bearer {KEY}")


def test_no_key_is_shown_where_a_request_is() -> None:
    assert KEY not in repr(doorway(FakePool(), KEY).read(f"/?apiKey={KEY}", None))


def test_a_full_server_says_when_to_come_again() -> None:
    pool = FakePool(slots=1)
    door = doorway(pool)
    stream = door.admit(door.read("/", None), Holder(), "192.0.2.1", 0.0)
    with pytest.raises(RequestError) as refused:
        door.admit(door.read("/", None), Holder(), "192.0.2.1", 0.0)
    assert refused.value.http_status == 503
    assert int(dict(refused.value.headers)["Retry-After"]) > 0
    assert pool.refused == ["full"]
    door.leave(stream)
    door.admit(door.read("/", None), Holder(), "192.0.2.1", 0.0)


# -- sessions to come back to

KEEP_S = 30


def enter(door: Doorway, target: str, now_s: float = 0.0) -> Stream:
    return door.admit(door.read(target, None), Holder(), "192.0.2.1", now_s)


def refusal(door: Doorway, target: str) -> RequestError:
    with pytest.raises(RequestError) as refused:
        enter(door, target)
    return refused.value


def test_a_session_is_come_back_to_with_its_slot() -> None:
    pool = FakePool(slots=2)
    door = doorway(pool, keep_session_s=KEEP_S)
    stream = enter(door, "/?session=new")
    stream.session.outgoing()
    assert door.lose(stream, 0.0)
    stream.slot.endpoint("meanwhile")
    door.pump(0.0)
    back = enter(door, f"/?session={stream.token}")
    assert back is stream
    ready, heard = map(json.loads, back.session.outgoing())
    assert (ready["session"], heard["text"]) == (stream.token, "meanwhile")
    assert pool.counted == [RESUMED]
    assert pool.held == [stream.slot]


def test_no_token_for_a_client_that_does_not_ask_or_where_none_are_kept() -> None:
    assert enter(doorway(FakePool(), keep_session_s=KEEP_S), "/").token is None
    door = doorway(FakePool())
    stream = enter(door, "/?session=new")
    assert stream.token is None
    assert not door.lose(stream, 0.0)
    assert "keeps no sessions" in refusal(door, "/?session=a-token").message


def test_what_is_said_to_one_that_comes_too_late_or_asks_for_something_else() -> None:
    pool = FakePool()
    door = doorway(pool, keep_session_s=KEEP_S)
    stream = enter(door, "/?session=new")
    door.lose(stream, 100.0)
    other = refusal(door, f"/?session={stream.token}&text2int=1")
    assert other.http_status == 409
    assert "?downsample=True&sampleRate=8000&text2int=False" in other.message
    door.look_at_the_clock(100.0 + KEEP_S)
    gone = refusal(door, f"/?session={stream.token}")
    assert gone.http_status == 410
    assert f"kept for {KEEP_S} s" in gone.message
    assert "session=new" in gone.message
    assert pool.refused == ["session", "session"]
    assert pool.counted == [GIVEN_UP]
    assert pool.held == []


def test_a_full_server_gives_up_a_session_that_has_been_alone_for_a_while() -> None:
    pool = FakePool(slots=1)
    door = doorway(pool, keep_session_s=KEEP_S)
    door.lose(enter(door, "/?session=new"), 100.0)
    with pytest.raises(RequestError, match="in use"):
        enter(door, "/", 100.0)
    enter(door, "/", 100.0 + GRACE_S)
    assert pool.counted == [GIVEN_UP]
    with pytest.raises(RequestError, match="in use"):
        enter(door, "/", 200.0)


def test_at_the_end_all_slots_are_free() -> None:
    pool = FakePool()
    door = doorway(pool, keep_session_s=KEEP_S)
    door.lose(enter(door, "/?session=new"), 0.0)
    door.close()
    assert pool.held == []


# -- streams of an address


def test_an_address_has_so_many_streams_and_no_more() -> None:
    pool = FakePool(slots=9)
    door = doorway_of(pool, settings=ClientSettings(keep_session_s=KEEP_S, address_streams=2))
    one, _ = enter(door, "/?session=new"), enter(door, "/")
    with pytest.raises(RequestError) as refused:
        enter(door, "/")
    assert refused.value.http_status == 429
    assert "your address has 2 streams, which is the most here" in refused.value.message
    assert int(dict(refused.value.headers)["Retry-After"]) > 0
    assert pool.refused == ["address"]
    door.admit(door.read("/", None), Holder(), "192.0.2.2", 0.0)

    assert door.lose(one, 0.0)
    with pytest.raises(RequestError):
        enter(door, "/")
    assert enter(door, f"/?session={one.token}") is one, "it has its place"
    assert door.lose(one, 0.0)
    door.look_at_the_clock(KEEP_S)
    door.leave(enter(door, "/"))
    enter(door, "/")


def test_a_stream_that_finds_no_slot_does_not_count() -> None:
    pool = FakePool(slots=1)
    door = doorway_of(pool, settings=ClientSettings(address_streams=1))
    other = door.admit(door.read("/", None), Holder(), "192.0.2.2", 0.0)
    with pytest.raises(RequestError, match="in use"):
        enter(door, "/")
    door.leave(other)
    enter(door, "/")
