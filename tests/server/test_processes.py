"""Starting, watching, replacing and stopping child processes: with stubs."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server import processes as processes_module
from server.engine import Engine
from server.processes import (
    BACK_OFF_S,
    BORN_WITHIN_S,
    FAILING_AFTER,
    FORGIVEN_AFTER_S,
    STANDBY_BACK_OFF_S,
    START_TIMEOUT_S,
    EngineError,
    ManagedProcess,
    UnusableError,
)
from server.standby import Standby
from shm.process_line import STALE_AFTER_MS, ProcessLine
from tests.conformance.waiting import wait_until
from tests.server.processes import (
    ECHO_SPEC,
    echo_config,
    is_running,
    managed,
    open_descriptors,
    parent_of,
    pid_of,
    wait_for_death,
)

pytestmark = pytest.mark.server


@contextmanager
def stub_engine(*behaviours: str, stands_by: bool = False) -> Iterator[Engine]:
    """An engine of stub processes, one for each behaviour; see `stub_child`."""
    engine = Engine(echo_config(), ECHO_SPEC, frontends=len(behaviours))
    engine._processes.clear()
    for index, does in enumerate(behaviours):
        offset = engine.plane.layout.frontend_process(index)
        settings = {"line": offset, "does": does}
        line = ProcessLine(engine.plane, offset)
        stub = ManagedProcess("stub", "tests.server.stub_child", index, line, settings)
        stub.stands_by = stands_by
        engine._processes.append(stub)
    try:
        yield engine
    finally:
        engine.close()


# -- starting


def test_a_start_returns_once_all_are_ready() -> None:
    with stub_engine("run", "run", "run") as engine:
        assert not engine.is_ready
        engine.start()
        assert engine.is_ready
        generations = {managed(engine, index=index).line.generation for index in range(3)}
        assert generations == {1}
        pids = {pid_of(managed(engine, index=index)) for index in range(3)}
        assert len(pids) == 3
        engine.start()
        assert {pid_of(managed(engine, index=index)) for index in range(3)} == pids


def test_what_cannot_be_used_is_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    """However many would have said it."""
    with stub_engine("refuse", "refuse", "refuse") as engine, pytest.raises(UnusableError):
        engine.start()
    assert capfd.readouterr().err == "realtime-engine: the stub is of no use\n"


def test_a_crash_during_the_start_is_an_error() -> None:
    with (
        stub_engine("run", "crash") as engine,
        pytest.raises(EngineError, match=r"stub 1 could not start \(exit 1\)"),
    ):
        engine.start()


def test_a_start_ends_when_nobody_waits_for_it() -> None:
    with stub_engine("never get ready") as engine:
        answers = iter([True, True, False])
        with pytest.raises(EngineError, match="stopped"):
            engine.start(lambda: next(answers))


def test_a_start_that_takes_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "START_TIMEOUT_S", 0)
    with stub_engine("never get ready") as engine, pytest.raises(EngineError, match="within 0 s"):
        engine.start()


# -- watching


def test_a_process_that_ended_is_replaced_by_the_next_generation() -> None:
    with stub_engine("run", "run") as engine:
        engine.start()
        victim = managed(engine, index=1)
        other_pid, pid = pid_of(managed(engine)), pid_of(victim)
        os.kill(pid, signal.SIGKILL)
        wait_for_death(victim)
        assert is_running(pid) is False
        now_s = time.monotonic()
        assert engine.watch(now_s) == ["stub 1 ended (exit -9); restart in 0 s"]
        assert not Path(f"/proc/{pid}").exists(), "its death is confirmed (R7)"
        wait_until(lambda: engine.is_ready, "the successor is ready")
        assert victim.line.generation == 2
        assert pid_of(victim) != pid
        assert pid_of(managed(engine)) == other_pid


def test_restarts_back_off_and_long_lives_are_forgiven() -> None:
    with stub_engine("crash") as engine:
        crashing = managed(engine)
        now_s = time.monotonic()
        for back_off_s in (*BACK_OFF_S, BACK_OFF_S[-1]):
            if crashing.process is None:
                engine.watch(now_s)
            wait_for_death(crashing)
            (event,) = engine.watch(now_s)
            assert event == f"stub 0 ended (exit 1); restart in {back_off_s:g} s"
            if back_off_s:
                assert engine.watch(now_s + 0.99 * back_off_s) == []
                assert crashing.process is None
            now_s += back_off_s
        crashing.settings["does"] = "run"
        engine.watch(now_s)
        wait_until(lambda: engine.is_ready, "it gets ready")
        now_s = time.monotonic()  # that of its heartbeat
        engine.watch(now_s)
        assert engine.plane.failing
        engine.watch(now_s + FORGIVEN_AFTER_S + 1)
        assert not engine.plane.failing
        os.kill(pid_of(crashing), signal.SIGKILL)
        wait_for_death(crashing)
        (event,) = engine.watch(now_s + FORGIVEN_AFTER_S + 1)
        assert event.endswith("restart in 0 s")


def test_a_death_now_and_then_is_no_failure() -> None:
    with stub_engine("crash") as engine:
        crashing = managed(engine)
        now_s = time.monotonic()
        for number in range(FAILING_AFTER):
            assert not engine.plane.failing
            engine.watch(now_s + 100 * number)
            wait_for_death(crashing)
            engine.watch(now_s + 100 * number)
        assert engine.plane.failing, "so often in a row, and never ready, is one"


def test_who_can_be_done_without_makes_no_engine_fail() -> None:
    with stub_engine("crash") as engine:
        crashing = managed(engine)
        crashing.essential = False
        now_s = time.monotonic()
        for number in range(FAILING_AFTER + 1):
            engine.watch(now_s + 100 * number)
            wait_for_death(crashing)
            engine.watch(now_s + 100 * number)
        assert crashing.failures > FAILING_AFTER
        assert not engine.plane.failing


# -- standing by


def standby_of(process: ManagedProcess) -> int:
    assert process.standby is not None
    assert process.standby.process is not None
    return process.standby.process.pid


def end_of_standby(process: ManagedProcess) -> None:
    assert process.standby is not None
    assert process.standby.process is not None
    process.standby.process.wait()


def test_who_stands_by_takes_over_at_once() -> None:
    with stub_engine("run", stands_by=True) as engine:
        engine.start()
        process = managed(engine)
        watch_until_born(engine)
        successor, victim = standby_of(process), pid_of(process)
        os.kill(victim, signal.SIGKILL)
        wait_for_death(process)
        assert process.line.pid == victim, "nobody has taken its place yet"
        engine.watch(time.monotonic())
        assert pid_of(process) == successor
        wait_until(lambda: engine.is_ready, "the successor is ready")
        assert process.line.generation == 2
        watch_until_born(engine)
        assert standby_of(process) != successor, "the next one"


def watch_until_born(engine: Engine) -> None:
    """Until the engine knows the process that stands by for its first place."""

    def born() -> bool:
        events = engine.watch(time.monotonic())
        assert not events
        standby = managed(engine).standby
        return standby is not None and standby.is_running

    wait_until(born, "somebody stands by")


def test_who_stands_by_leaves_the_next_one() -> None:
    """Again and again, of one that was loaded once; each death is confirmed by the engine (R7)."""
    with stub_engine("leave another", stands_by=True) as engine:
        engine.start()
        process = managed(engine)
        watch_until_born(engine)
        before = open_descriptors()
        for generation in range(2, 6):
            successor, victim = standby_of(process), pid_of(process)
            os.kill(victim, signal.SIGKILL)
            wait_for_death(process)
            (event,) = engine.watch(time.monotonic())
            assert event.startswith("stub 0 ended (exit -9)")
            assert not Path(f"/proc/{victim}").exists(), "its death is confirmed (R7)"
            assert pid_of(process) == successor
            watch_until_born(engine)
            assert parent_of(standby_of(process)) == successor, "it was forked"
            wait_until(lambda: engine.is_ready, "the successor is ready")
            assert process.line.generation == generation
        assert len(open_descriptors()) <= len(before) + 2, "one for each that was forked"
        left = [pid_of(process), standby_of(process)]
    assert not any(map(is_running, left))


def test_the_first_one_leaves_another_too() -> None:
    """So that all is loaded once."""
    with stub_engine("leave another", stands_by=True) as engine:
        engine.start()
        process = managed(engine)
        watch_until_born(engine)
        assert (process.line.generation, process.line.pid) == (1, pid_of(process))
        assert parent_of(standby_of(process)) == pid_of(process)


@pytest.mark.parametrize(("does", "error"), [("crash", EngineError), ("refuse", UnusableError)])
def test_a_start_that_fails_is_told_also_where_others_stand_by(
    does: str, error: type[Exception]
) -> None:
    before = open_descriptors()
    with stub_engine(does, stands_by=True) as engine, pytest.raises(error):
        engine.start()
    del engine
    assert open_descriptors() == before


def test_who_was_left_and_dies_is_replaced_as_any_standby() -> None:
    with stub_engine("leave another", stands_by=True) as engine:
        engine.start()
        process = managed(engine)
        watch_until_born(engine)
        os.kill(pid_of(process), signal.SIGKILL)
        wait_for_death(process)
        engine.watch(time.monotonic())
        watch_until_born(engine)
        left = standby_of(process)
        os.kill(left, signal.SIGKILL)
        end_of_standby(process)
        now_s = time.monotonic()
        assert engine.watch(now_s) == ["the standby of stub 0 ended (exit 255)"]
        assert not Path(f"/proc/{left}").exists(), "its parent leaves nothing of it"
        engine.watch(now_s + STANDBY_BACK_OFF_S)
        assert standby_of(process) != left


def test_who_is_about_to_be_left_is_waited_for_but_not_for_ever() -> None:
    with stub_engine("leave another", stands_by=True) as engine:
        engine.start()
        process = managed(engine)
        watch_until_born(engine)
        ours, theirs = socket.socketpair()
        with theirs:
            assert process.standby is not None
            engine._dismiss(process.standby)
            process.standby = Standby(None, ours.detach())
            os.kill(pid_of(process), signal.SIGKILL)
            wait_for_death(process)
            now_s = time.monotonic()
            engine.watch(now_s)
            assert process.process is None, "it may say who it is at any moment"
            engine.watch(now_s + BORN_WITHIN_S)
            assert process.process is not None


def test_a_standby_that_dies_is_replaced_in_time() -> None:
    with stub_engine("crash standing by", stands_by=True) as engine:
        engine.start()
        process = managed(engine)
        now_s = time.monotonic()
        engine.watch(now_s)
        end_of_standby(process)
        assert engine.watch(now_s) == ["the standby of stub 0 ended (exit 1)"]
        assert engine.watch(now_s) == []
        assert process.standby is None
        engine.watch(now_s + STANDBY_BACK_OFF_S)
        assert process.standby is not None


def test_a_standby_that_is_dead_is_not_waited_for() -> None:
    with stub_engine("run", stands_by=True) as engine:
        engine.start()
        process = managed(engine)
        engine.watch(time.monotonic())
        for victim in (standby_of(process), pid_of(process)):
            os.kill(victim, signal.SIGKILL)
        wait_for_death(process)
        end_of_standby(process)
        engine.watch(time.monotonic())
        wait_until(lambda: engine.is_ready, "a fresh successor is ready")


def test_a_standby_ends_with_the_engine() -> None:
    before = open_descriptors()
    with stub_engine("run", stands_by=True) as engine:
        engine.start()
        engine.watch(time.monotonic())
        pid = standby_of(managed(engine))
    assert not is_running(pid)
    del engine
    assert open_descriptors() == before


def test_a_process_that_cannot_go_on_ends_the_engine() -> None:
    with stub_engine("refuse") as engine:
        engine.watch(time.monotonic())
        wait_for_death(managed(engine))
        with pytest.raises(UnusableError):
            engine.watch(time.monotonic())


def test_a_process_that_goes_round_no_more_is_killed_and_replaced() -> None:
    with stub_engine("run") as engine:
        engine.start()
        stuck = managed(engine)
        assert engine.watch(time.monotonic()) == []
        os.kill(pid_of(stuck), signal.SIGSTOP)
        late_s = time.monotonic() + STALE_AFTER_MS / 1000 + 1
        assert engine.watch(late_s) == ["stub 0 is stuck: killed"]
        wait_for_death(stuck)
        assert engine.watch(late_s) == ["stub 0 ended (exit -9); restart in 0 s"]
        wait_until(lambda: engine.is_ready, "the successor is ready")


def test_a_process_that_never_gets_ready_is_killed_and_replaced() -> None:
    with stub_engine("never get ready") as engine:
        starting = managed(engine)
        now_s = time.monotonic()
        engine.watch(now_s)
        assert engine.watch(now_s + START_TIMEOUT_S - 1) == []
        assert engine.watch(now_s + START_TIMEOUT_S + 1) == ["stub 0 is stuck: killed"]
        wait_for_death(starting)


def test_a_predecessors_readiness_is_not_the_successors() -> None:
    with stub_engine("run") as engine:
        engine.start()
        victim = managed(engine)
        victim.settings["does"] = "never get ready"
        os.kill(pid_of(victim), signal.SIGKILL)
        wait_for_death(victim)
        now_s = time.monotonic()
        engine.watch(now_s)
        engine.watch(now_s)
        assert not engine.is_ready, "its line still says ready, of the process that is gone"
        wait_until(lambda: victim.line.generation == 2, "the successor has announced itself")
        assert not engine.is_ready


# -- stopping


def test_one_kind_is_retired_and_its_end_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes_module, "STOP_TIMEOUT_S", 0)
    with stub_engine("run", "ignore SIGTERM") as engine:
        managed(engine, index=1).name = "stubborn"
        engine.start()
        gone = engine.retire("stub", signal.SIGTERM)
        wait_until(gone, "it has ended")
        assert engine.watch(time.monotonic()) == [], "nobody takes its place"
        assert not engine.retire("stubborn", signal.SIGTERM)()


def test_only_what_is_ready_is_signalled_where_that_is_asked() -> None:
    with stub_engine("run", "run") as engine:
        first, second = managed(engine, index=0), managed(engine, index=1)
        engine.start()
        second.line.announce(second.generation)  # as one that is still starting
        engine.signal_ready("stub", signal.SIGKILL)
        assert first.process is not None
        assert second.process is not None
        first.process.wait()
        assert second.process.poll() is None


def test_a_close_ends_also_what_ignores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "STOP_TIMEOUT_S", 0)
    with stub_engine("ignore SIGTERM", "run") as engine:
        engine.start()
        pids = [pid_of(managed(engine, index=index)) for index in range(2)]
    assert not any(map(is_running, pids))


@pytest.mark.parametrize("behaviour", ["run", "refuse"])
def test_no_descriptor_is_left(behaviour: str) -> None:
    before = open_descriptors()
    with stub_engine(behaviour) as engine:
        try:
            engine.start()
        except UnusableError:
            assert behaviour == "refuse"
    del engine
    assert open_descriptors() == before


# -- waiting for a death


def test_a_death_ends_the_wait_for_one() -> None:
    """By hours: a time-out that is waited for would be the test's own."""
    with stub_engine("wait", "wait") as engine:
        engine.start()
        os.kill(pid_of(engine._processes[1]), signal.SIGKILL)
        engine.wait_for_death(3600)
        before = open_descriptors()
        engine.wait_for_death(3600)  # it has not been reaped yet
        assert open_descriptors() == before


def test_an_old_kernel_without_pidfds_waits_for_the_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []

    def none(pid: int) -> int:
        raise OSError("function not implemented")

    with stub_engine("wait") as engine:
        engine.start()
        monkeypatch.setattr(processes_module.os, "pidfd_open", none)
        monkeypatch.setattr(processes_module.time, "sleep", slept.append)
        engine.wait_for_death(7.5)
        assert slept == [7.5]
        monkeypatch.undo()
