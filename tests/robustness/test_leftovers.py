"""Connections that are over leave nothing behind: no slot, descriptor, thread or process."""

from __future__ import annotations

import asyncio
import time

import pytest

from bench.footprint import Holdings, grown, holdings
from bench.soak import LEAVING, connect_rounds, spelled_phrases
from tests.conformance.server_process import ServerProcess
from tests.conformance.waiting import wait_until
from tests.robustness.mischief import MISCHIEF
from tests.robustness.test_crowd import assert_every_slot_works

pytestmark = pytest.mark.server

WARM_UP_ROUNDS = 3


def settled(server: ServerProcess) -> Holdings:
    """What is held once what closes has closed: two looks, half a second apart, agree."""
    looks = [holdings(server.pid)]

    def agree() -> bool:
        time.sleep(0.5)
        looks.append(holdings(server.pid))
        before, after = looks[-2:]
        return not grown(before, after) and not grown(after, before)

    wait_until(agree, "descriptors and threads stay what they are", lambda: looks[-2:])
    return looks[-1]


def test_every_way_to_leave(server: ServerProcess) -> None:
    run = connect_rounds(server.url, server.pid, spelled_phrases(), 3 * len(LEAVING))
    assert grown(*asyncio.run(run)) == []
    assert_every_slot_works(server)


def test_every_kind_of_mischief(server: ServerProcess) -> None:
    for mischief in MISCHIEF * WARM_UP_ROUNDS:  # first steps load modules, the allocator settles
        mischief(server.url)
    assert_every_slot_works(server)
    before = settled(server)
    for mischief in MISCHIEF:
        mischief(server.url)
    assert_every_slot_works(server)

    def growth() -> list[str]:
        return grown(before, holdings(server.pid))

    wait_until(lambda: not growth(), "descriptors, threads and memory are what they were", growth)
