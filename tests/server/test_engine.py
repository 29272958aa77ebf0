"""The engine's processes, with the echo model: start, replace what died, leave nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import ECHO_MODEL
from server.config import engine_config
from server.engine import BACK_OFF_S, Engine, ManagedProcess, UnusableError
from tests.conformance.waiting import wait_until

pytestmark = pytest.mark.server


@pytest.fixture
def engine() -> Iterator[Engine]:
    flags = {"model": str(ECHO_MODEL), "slots": "2", "device": "cpu", "beam_size": "10"}
    engine = Engine(*engine_config(flags, {}), frontends=1)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()


def process(engine: Engine, name: str) -> ManagedProcess:
    return next(managed for managed in engine._processes if managed.name == name)


def pid(engine: Engine, name: str) -> int:
    child = process(engine, name).process
    assert child is not None
    return child.pid


@pytest.mark.parametrize("name", ["worker", "decoder"])
def test_a_killed_process_is_replaced_by_its_next_generation(engine: Engine, name: str) -> None:
    first = pid(engine, name)
    os.kill(first, signal.SIGKILL)
    events: list[str] = []

    def replaced() -> bool:
        events.extend(engine.watch(time.monotonic()))
        return engine.is_ready and pid(engine, name) != first

    wait_until(replaced, f"another {name} is ready")
    assert process(engine, name).line.generation == 2
    assert [event for event in events if name in event]
    assert not Path(f"/proc/{first}").exists(), "the dead was reaped before its successor began"


def test_a_stuck_process_is_killed_and_replaced(engine: Engine) -> None:
    first = pid(engine, "worker")
    os.kill(first, signal.SIGSTOP)
    managed = process(engine, "worker")
    managed.line._words[3] = 1  # as if its last round had been long ago

    def replaced() -> bool:
        engine.watch(time.monotonic())
        return engine.is_ready and pid(engine, "worker") != first

    wait_until(replaced, "another worker is ready")


def test_restarts_back_off_while_they_fail(engine: Engine) -> None:
    managed = process(engine, "decoder")
    waits = []
    for _ in range(len(BACK_OFF_S) + 1):
        engine._schedule_restart(managed, 1, now_s=managed.started_s)
        waits.append(managed.restart_at_s - managed.started_s)
    assert waits == pytest.approx([*BACK_OFF_S, BACK_OFF_S[-1]])
    assert engine._schedule_restart(managed, 1, managed.started_s + 3600).endswith("in 0 s")


def test_closing_leaves_no_process_and_no_descriptor() -> None:
    before = set(os.listdir("/proc/self/fd"))
    flags = {"model": str(ECHO_MODEL), "slots": "2", "device": "cpu"}
    engine = Engine(*engine_config(flags, {}), frontends=1)
    engine.start()
    pids = [pid(engine, name) for name in ("worker", "decoder")]
    engine.close()
    del engine  # its views keep the mapping, and with it a descriptor
    gc.collect()
    assert not any(Path(f"/proc/{child}").exists() for child in pids)
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_cannot_work_is_not_tried_again() -> None:
    flags = {"model": str(ECHO_MODEL), "slots": "1", "device": "cuda:99"}
    engine = Engine(*engine_config(flags, {}), frontends=1)
    try:
        with pytest.raises(UnusableError):
            engine.start()
    finally:
        engine.close()
