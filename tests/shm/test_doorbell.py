from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator

import pytest

from shm.doorbell import Doorbell

LONG_MS = 60_000


@pytest.fixture
def bell() -> Iterator[Doorbell]:
    bell = Doorbell.create()
    yield bell
    bell.close()


def is_rung(bell: Doorbell) -> bool:
    return bool(select.select([bell.fd], [], [], 0)[0])


def test_a_ring_before_the_wait_ends_it_at_once(bell: Doorbell) -> None:
    bell.ring()
    bell.wait(LONG_MS)
    assert not is_rung(bell), "the wait took the ring"


def test_a_ring_during_the_wait_ends_it(bell: Doorbell) -> None:
    waiter = threading.Thread(target=bell.wait, args=(LONG_MS,))
    waiter.start()
    bell.ring()
    waiter.join(LONG_MS / 1000)
    assert not waiter.is_alive()


def test_many_rings_are_one(bell: Doorbell) -> None:
    for _ in range(5):
        bell.ring()
    bell.wait(LONG_MS)
    assert not is_rung(bell)


def test_a_wait_without_a_ring_ends_by_itself(bell: Doorbell) -> None:
    bell.wait(1)
    assert not is_rung(bell)


def test_clear_takes_rings_back_and_does_not_need_one(bell: Doorbell) -> None:
    bell.clear()
    bell.ring()
    bell.clear()
    assert not is_rung(bell)


def test_a_copy_of_the_descriptor_is_the_same_bell(bell: Doorbell) -> None:
    other = Doorbell(os.dup(bell.fd))
    other.ring()
    assert is_rung(bell)
    other.close()


def test_an_event_loop_may_watch_it(bell: Doorbell) -> None:
    assert not os.get_blocking(bell.fd)
    assert not os.get_inheritable(bell.fd)
