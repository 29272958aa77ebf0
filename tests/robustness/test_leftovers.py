"""Connections that are over leave nothing behind: no slot, descriptor, thread or process."""

from __future__ import annotations

import asyncio
import time

import pytest

from bench.footprint import Holdings, grown, holdings
from bench.soak.leaving import LEAVING
from bench.soak.runs import connect_rounds
from bench.soak.speaking import spelled_phrases
from tests.conformance.server_process import ServerProcess
from tests.conformance.waiting import wait_until
from tests.robustness.mischief import MISCHIEF
from tests.robustness.test_crowd import assert_every_slot_works

pytestmark = pytest.mark.server

MOST_ROUNDS = 6  # first steps load modules, the allocator settles


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
    """What leaks grows with every round; what an allocator keeps, of the worst moment so far, not.

    How bad that moment is depends on how busy the machine is: a client that never reads may have
    had ten answers pile up or ten thousand.
    """
    growth = []
    for _ in range(MOST_ROUNDS):
        before = settled(server)
        for mischief in MISCHIEF:
            mischief(server.url)
        assert_every_slot_works(server)
        growth.append(grown(before, settled(server)))
        if not growth[-1]:
            return
    raise AssertionError(f"every round leaves something behind: {growth}")
