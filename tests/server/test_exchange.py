"""Processes that are replaced by successors with other settings: with stubs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from server.exchange import AGAIN_AFTER_S, Exchange
from server.processes import FAILING_AFTER, UnusableError
from tests.conformance.waiting import wait_until
from tests.server.processes import is_running, managed, open_descriptors, pid_of
from tests.server.test_processes import stub_engine

pytestmark = pytest.mark.server


def watched(engine: object, holds: Callable[[], bool], events: list[str] | None = None) -> None:
    """Watches the engine until something holds."""

    def look() -> bool:
        found = engine.watch(time.monotonic())  # type: ignore[attr-defined]
        if events is not None:
            events.extend(found)
        return holds()

    wait_until(look, "the exchange goes on")


def settings_of(offset: int, does: str) -> dict[str, object]:
    return {"line": offset, "does": does}


def test_one_after_the_other_without_a_failure() -> None:
    """Each successor begins once its predecessor is dead, and has the new settings."""
    with stub_engine("run") as engine:
        engine.start()
        place = managed(engine)
        for _ in range(FAILING_AFTER + 1):
            before, generation = pid_of(place), place.line.generation
            settings = {**place.settings, "new": generation}
            exchange = engine.exchange("stub", settings, ())
            assert not exchange.is_over
            watched(engine, lambda e=exchange: e.is_over)  # type: ignore[misc]
            assert pid_of(place) != before
            assert not is_running(before)
            assert place.line.generation == generation + 1
            assert place.settings == settings
        assert place.failures == 0
        assert not engine.plane.failing


def test_who_stands_by_has_the_new_settings_afterwards() -> None:
    with stub_engine("run", stands_by=True) as engine:
        engine.start()
        place = managed(engine)
        watched(engine, lambda: place.standby is not None)
        assert place.standby is not None
        old = place.standby.process.pid
        exchange = engine.exchange("stub", {**place.settings, "new": 1}, ())
        watched(engine, lambda: exchange.is_over and place.standby is not None)
        assert place.standby is not None
        assert place.standby.process.pid not in {old, pid_of(place)}
        watched(engine, lambda: not is_running(old))


def test_settings_for_successors_alone() -> None:
    with stub_engine("run", stands_by=True) as engine:
        engine.start()
        place = managed(engine)
        watched(engine, lambda: place.standby is not None)
        assert place.standby is not None
        old, pid = place.standby.process.pid, pid_of(place)
        engine.renew("stub", {**place.settings, "new": 1}, ())
        watched(engine, lambda: place.standby is not None and not is_running(old))
        assert pid_of(place) == pid
        assert place.settings["new"] == 1


def test_settings_of_no_use_change_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with stub_engine("run", "run") as engine:
        engine.start()
        pids = [pid_of(managed(engine, index=index)) for index in range(2)]
        before = dict(managed(engine).settings)
        exchange = engine.exchange("stub", {**before, "does": "refuse"}, ())
        watched(engine, lambda: exchange.is_over)
        assert exchange.is_refused
        assert [pid_of(managed(engine, index=index)) for index in range(2)] == pids
        assert managed(engine).settings == before
    assert capfd.readouterr().err == "realtime-engine: the stub is of no use\n"


def test_a_successor_that_dies_as_it_loads_is_followed_by_another() -> None:
    with stub_engine("run") as engine:
        engine.start()
        place = managed(engine)
        pid = pid_of(place)
        exchange = engine.exchange("stub", {**place.settings, "does": "crash standing by"}, ())
        now_s = time.monotonic()
        events: list[str] = []
        wait_until(lambda: bool(events.extend(engine.watch(now_s)) or events), "it has died")
        assert events == ["the successor of stub 0 ended (exit 1) as it loaded"]
        assert pid_of(place) == pid
        exchange._settings = place.settings
        engine.watch(now_s)
        assert exchange._successor is None
        now_s += AGAIN_AFTER_S
        engine.watch(now_s)
        assert exchange._successor is not None
        watched(engine, lambda: exchange.is_over)
        assert pid_of(place) != pid


def test_a_process_that_dies_meanwhile_is_replaced_as_ever() -> None:
    """By one with the old settings: nobody knows yet whether the new ones can be used."""
    with stub_engine("run") as engine:
        engine.start()
        place = managed(engine)
        exchange = engine.exchange("stub", {**place.settings, "does": "refuse"}, ())
        os.kill(pid_of(place), signal.SIGKILL)
        watched(engine, lambda: exchange.is_over and place.is_ready)
        assert exchange.is_refused
        assert place.settings["does"] == "run"


def test_an_engine_that_ends_in_the_middle_leaves_nothing() -> None:
    before = open_descriptors()
    with stub_engine("run", stands_by=True) as engine:
        engine.start()
        place = managed(engine)
        engine.watch(time.monotonic())
        engine.exchange("stub", {**place.settings}, ())
        engine.watch(time.monotonic())
        exchange = engine._exchange
        assert exchange is not None
        successor = exchange._successor
        assert successor is not None
        pid = successor.process.pid
    assert not is_running(pid)
    assert exchange.is_over
    del engine, exchange, successor, place
    assert open_descriptors() == before


def test_nothing_to_exchange_is_over_at_once() -> None:
    def never(*_: object) -> None:
        raise UnusableError

    exchange = Exchange([], {}, (), never, never)  # type: ignore[arg-type]
    assert exchange.is_over
    assert exchange.step(0.0) == []
