"""`make chaos` in a short form: every attack there is, beside streams that must not change."""

from __future__ import annotations

import asyncio

import pytest

from bench.chaos.attack import attacks
from bench.chaos.attackers import ATTACKS
from tests.conformance.server_process import ServerProcess
from tests.robustness.conftest import FLAGS, SLOTS
from tests.robustness.rounds import spelled_rounds

pytestmark = pytest.mark.server

INSIDE = {"slow frames", "compression bomb", "huge messages", "malformed", "never reading"}


def test_finals_stay_the_same_and_nothing_is_left_behind() -> None:
    """Memory, threads and descriptors too; a server of its own, with room for attackers."""
    with ServerProcess(*FLAGS, "--slots", str(2 * SLOTS)) as server:
        outcome = asyncio.run(attacks(server, spelled_rounds(SLOTS, 2, words=6), list(ATTACKS)))
    assert outcome.failures == []
    tolls = outcome.figures["tolls"]
    assert set(tolls) == set(ATTACKS)
    assert all(toll["visits"] for toll in tolls.values())
    assert all(tolls[name]["let_in"] for name in INSIDE), tolls
    assert outcome.figures["finals"] == 2 * SLOTS * (len(ATTACKS) + 1)
