"""`make chaos` in a short form: files that are read again, then the end, with streams inside."""

from __future__ import annotations

import asyncio

import pytest

from bench.chaos.drain import drain, guarded_server
from tests.robustness.conftest import FLAGS, SLOTS
from tests.robustness.rounds import spelled_rounds

pytestmark = pytest.mark.server


def test_reloading_changes_no_final_and_stopping_finalises_every_utterance() -> None:
    with guarded_server(*FLAGS, "--slots", str(2 * SLOTS)) as guarded:
        outcome = asyncio.run(drain(guarded, spelled_rounds(SLOTS, 3)))
    assert outcome.failures == []
    assert outcome.figures["reloads"] >= 1
    assert outcome.figures["exit_status"] == 0
    assert outcome.figures["let_in_while_stopping"] == 0
    assert outcome.figures["finals"] >= (3 + 1) * SLOTS
