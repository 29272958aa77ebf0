"""Who is let in, and how the others are counted."""

from __future__ import annotations

from typing import Any, cast

import pytest

from server.api_keys import MISSING, WRONG, ApiKeys
from server.doorway import Doorway
from server.handshake import Parameters, RequestError
from tests.server.fakes import FakePool

KEY = "a-key-of-the-server"


def doorway(pool: FakePool, *keys: str) -> Doorway:
    return Doorway(cast(Any, pool), ApiKeys(keys))


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
    slot = door.claim()
    with pytest.raises(RequestError) as refused:
        door.claim()
    assert refused.value.http_status == 503
    assert int(dict(refused.value.headers)["Retry-After"]) > 0
    assert pool.refused == ["full"]
    door.release(slot)
    door.claim()
