"""When a server is ready, and what it says when it is not."""

from __future__ import annotations

import json

import pytest

from server.health import RECENT_MS, alive_answer, health, ready_answer
from shm.engine_view import ProcessView, SlotsView
from shm.process_line import STALE_AFTER_MS, ProcessState

READY = ProcessState.READY
FREE = SlotsView(4, 3, 0.0, 0, 0, 0)
FULL = SlotsView(4, 4, 0.0, 0, 0, 0)


def process(state: ProcessState = READY, age_ms: float = 0.0) -> ProcessView:
    return ProcessView("worker", 1, state, 1, age_ms, "cpu")


def test_all_going_round_is_ready() -> None:
    found = health([process(), process(age_ms=RECENT_MS)], FREE, shutting_down=False)
    assert (found.ready, found.not_ready) == (True, ())


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (process(ProcessState.STARTING), "worker 1 is starting"),
        (process(age_ms=RECENT_MS + 1000), "worker 1 has not answered for 6 s"),
    ],
)
def test_one_that_does_not_is_named(view: ProcessView, reason: str) -> None:
    found = health([process(), view], FREE, shutting_down=False)
    assert (found.ready, found.not_ready) == (False, (reason,))


def test_a_frontend_that_is_starting_is_not_waited_for() -> None:
    """Whoever answers is one that serves."""
    frontend = ProcessView("frontend", 1, ProcessState.STARTING, 1, RECENT_MS + 1000, "cpu")
    assert health([process(), frontend], FREE, shutting_down=False).ready


def test_frontends_alone_are_no_engine() -> None:
    frontend = ProcessView("frontend", 0, READY, 1, 0.0, "cpu")
    assert health([frontend], FREE, shutting_down=False).not_ready == (
        "the engine has not been started",
    )


def test_a_server_that_stops_is_not_ready() -> None:
    assert health([process()], FREE, shutting_down=True).not_ready == ("the server is stopping",)


def test_an_engine_that_fails_again_and_again() -> None:
    found = health([process()], FREE, shutting_down=False, failing=True)
    assert found.not_ready == ("a process of the engine ends again and again: the log says why",)


def test_a_full_server_is_ready_and_says_that_it_is_full() -> None:
    answer = ready_answer(health([process()], FULL, shutting_down=False))
    assert answer.status == 200
    assert json.loads(answer.body)["slots"] == {"total": 4, "free": 0}


def test_readiness_is_told_as_a_status_and_why() -> None:
    answer = ready_answer(health([process(ProcessState.STARTING)], FREE, shutting_down=False))
    assert answer.status == 503
    assert json.loads(answer.body) == {
        "ready": False, "not_ready": ["worker 1 is starting"], "slots": {"total": 4, "free": 1},
    }  # fmt: skip


def test_who_answers_is_alive() -> None:
    assert (alive_answer().status, json.loads(alive_answer().body)) == (200, {"status": "ok"})


def test_readiness_is_lost_before_the_supervisor_repairs() -> None:
    assert RECENT_MS < STALE_AFTER_MS


def test_readiness_says_when_a_key_is_needed() -> None:
    found = health([process()], FREE, shutting_down=False)
    assert "api_key_needed" not in json.loads(ready_answer(found).body)
    assert json.loads(ready_answer(found, api_key_needed=True).body)["api_key_needed"] is True
