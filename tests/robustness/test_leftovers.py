"""Connections that are over leave nothing behind: no slot, descriptor, thread or process."""

from __future__ import annotations

import asyncio

import pytest

from bench.footprint import grown, holdings
from bench.soak import LEAVING, connect_rounds, spelled_phrases
from tests.conformance.server_process import ServerProcess
from tests.conformance.waiting import wait_until
from tests.robustness.mischief import MISCHIEF
from tests.robustness.test_crowd import assert_every_slot_works

pytestmark = pytest.mark.server

WARM_UP_ROUNDS = 3


def test_every_way_to_leave(server: ServerProcess) -> None:
    run = connect_rounds(server.url, server.pid, spelled_phrases(), 3 * len(LEAVING))
    assert grown(*asyncio.run(run)) == []
    assert_every_slot_works(server)


def test_every_kind_of_mischief(server: ServerProcess) -> None:
    for mischief in MISCHIEF * WARM_UP_ROUNDS:  # first steps load modules, the allocator settles
        mischief(server.url)
    assert_every_slot_works(server)
    before = holdings(server.pid)
    for mischief in MISCHIEF:
        mischief(server.url)
    assert_every_slot_works(server)
    wait_until(
        lambda: grown(before, holdings(server.pid)) == [],
        "descriptors, threads and memory are what they were",
    )
