"""`make chaos` in a short form: many more ask than there is room for, and those inside go on."""

from __future__ import annotations

import asyncio

import pytest

from bench.chaos.overload import overload
from tests.conformance.server_process import ServerProcess
from tests.robustness.conftest import SLOTS
from tests.robustness.rounds import spelled_rounds

pytestmark = pytest.mark.server

TIMES = 10


def test_ten_times_the_load_is_refused_and_finals_stay_the_same(server: ServerProcess) -> None:
    outcome = asyncio.run(overload(server, spelled_rounds(SLOTS, 4), TIMES * SLOTS))
    assert outcome.failures == []
    assert outcome.figures["asked"] >= TIMES * SLOTS
    assert outcome.figures["answers"] == {"503": outcome.figures["asked"]}
    assert outcome.figures["finals"] == 4 * SLOTS
