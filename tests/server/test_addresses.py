"""Which addresses count as one, and that they are forgotten with their streams."""

from __future__ import annotations

import pytest

from server.addresses import Addresses


def test_without_a_limit_there_is_always_room() -> None:
    addresses = Addresses(0)
    for _ in range(1000):
        assert addresses.has_room("192.0.2.1")
        addresses.enter("192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::1", "127.0.0.1", False),
        ("", "no address", False),
    ],
)
def test_who_counts_as_one(one: str, other: str, *, same: bool) -> None:
    addresses = Addresses(1)
    addresses.enter(one)
    assert not addresses.has_room(one)
    assert addresses.has_room(other) != same


def test_who_has_left_is_forgotten() -> None:
    addresses = Addresses(2)
    for _ in range(2):
        addresses.enter("192.0.2.1")
    assert not addresses.has_room("192.0.2.1")
    addresses.leave("192.0.2.1")
    assert addresses.has_room("192.0.2.1")
    addresses.leave("192.0.2.1")
    assert not addresses._streams
