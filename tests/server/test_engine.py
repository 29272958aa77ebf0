"""Starting, watching, replacing and stopping: with stub processes, then with the echo model."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from models import BUNDLED_MODEL
from models.spec import ModelSpec
from server import engine as engine_module
from server.engine import (
    BACK_OFF_S,
    FORGIVEN_AFTER_S,
    START_TIMEOUT_S,
    Engine,
    EngineError,
    ManagedProcess,
    UnusableError,
    geometry_of,
)
from server.handshake import Parameters
from server.session import Session
from shm.frontend_slot import SlotPool
from shm.layout import Geometry
from shm.process_line import STALE_AFTER_MS, ProcessLine
from tests.conformance.spelling import RATE_HZ, spell
from tests.conformance.waiting import wait_until
from tests.server.processes import ECHO_SPEC, echo_config, is_running, open_descriptors

pytestmark = pytest.mark.server

SECOND_PASS = ModelSpec.load(BUNDLED_MODEL).second_pass_path


@contextmanager
def stub_engine(*behaviours: str) -> Iterator[Engine]:
    """An engine of stub processes, one for each behaviour; see `stub_child`."""
    engine = Engine(echo_config(), ECHO_SPEC, frontends=len(behaviours))
    engine._processes.clear()
    for index, does in enumerate(behaviours):
        offset = engine.plane.layout.frontend_process(index)
        settings = {"line": offset, "does": does}
        line = ProcessLine(engine.plane, offset)
        engine._processes.append(
            ManagedProcess("stub", "tests.server.stub_child", index, line, settings)
        )
    try:
        yield engine
    finally:
        engine.close()


def managed(engine: Engine, name: str = "stub", index: int = 0) -> ManagedProcess:
    (found,) = [m for m in engine._processes if (m.name, m.index) == (name, index)]
    return found


def pid_of(process: ManagedProcess) -> int:
    assert process.process is not None
    return process.process.pid


def wait_for_death(process: ManagedProcess) -> None:
    """Waits for the end and leaves it to the engine to notice."""
    assert process.process is not None
    os.waitid(os.P_PID, process.process.pid, os.WEXITED | os.WNOWAIT)


def test_the_geometry_is_that_of_settings_and_model() -> None:
    assert geometry_of(echo_config(slots=5, decoders=3), ECHO_SPEC, frontends=2) == Geometry(
        slots=5,
        frontends=2,
        workers=1,
        decoders=3,
        sample_rate_hz=16_000,
        chunk_frames=16,
        frame_samples=640,
        vocabulary_size=29,
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_pass_beside_each_worker(workers: int) -> None:
    config = replace(echo_config(), workers=workers, second_pass=SECOND_PASS)
    assert geometry_of(config, ECHO_SPEC, frontends=1).second_passes == workers
    engine = Engine(config, ECHO_SPEC, frontends=1)
    try:
        for index in range(workers):
            process = managed(engine, "second pass", index)
            assert process.settings == {"model": str(SECOND_PASS), "device": "cpu"}
        assert sum(m.name == "second pass" for m in engine._processes) == workers
        assert managed(engine, "decoder").settings["second_pass"] is True
    finally:
        engine.close()


def test_no_process_for_no_second_pass() -> None:
    assert geometry_of(echo_config(), ECHO_SPEC, frontends=1).second_passes == 0
    engine = Engine(echo_config(), ECHO_SPEC, frontends=1)
    try:
        assert {m.name for m in engine._processes} == {"worker", "decoder"}
        assert managed(engine, "decoder").settings["second_pass"] is False
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
    monkeypatch.setattr(engine_module, "START_TIMEOUT_S", 0)
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
        assert victim.process is None, "the death is confirmed before there is a successor (R7)"
        assert engine.watch(now_s) == []
        wait_until(lambda: engine.is_ready, "the successor is ready")
        assert victim.line.generation == 2
        assert pid_of(victim) != pid
        assert pid_of(managed(engine)) == other_pid


def test_restarts_back_off_and_long_lives_are_forgiven() -> None:
    with stub_engine("crash") as engine:
        crashing = managed(engine)
        now_s = time.monotonic()
        for back_off_s in (*BACK_OFF_S, BACK_OFF_S[-1]):
            engine.watch(now_s)
            wait_for_death(crashing)
            (event,) = engine.watch(now_s)
            assert event == f"stub 0 ended (exit 1); restart in {back_off_s:g} s"
            if back_off_s:
                assert engine.watch(now_s + 0.99 * back_off_s) == []
                assert crashing.process is None
            now_s += back_off_s
        assert crashing.generation == len(BACK_OFF_S) + 1
        engine.watch(now_s)
        wait_for_death(crashing)
        (event,) = engine.watch(now_s + FORGIVEN_AFTER_S + 1)
        assert event.endswith("restart in 0 s")


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
        engine.watch(late_s)
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


def test_a_signal_goes_to_one_kind_and_its_end_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "STOP_TIMEOUT_S", 0)
    with stub_engine("run", "ignore SIGTERM") as engine:
        managed(engine, index=1).name = "stubborn"
        engine.start()
        engine.signal("stub", signal.SIGTERM)
        assert engine.wait_for_exit("stub", timeout_s=60)
        engine.signal("stubborn", signal.SIGTERM)
        assert not engine.wait_for_exit("stubborn", timeout_s=0)
        engine.signal("stub", signal.SIGTERM)


def test_a_close_ends_also_what_ignores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "STOP_TIMEOUT_S", 0)
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


# -- the real processes


def heard(engine: Engine, text: str) -> str:
    """Streams audio that spells ``text`` through a session; gives the final's JSON."""
    pool = SlotPool(engine.plane, engine.bells, frontend=0)
    slot = pool.claim()
    assert slot is not None
    session = Session(slot, Parameters(RATE_HZ), RATE_HZ)
    data = spell(text).astype("<i2").tobytes()
    for start in range(0, len(data), 4096):
        session.receive_audio(data[start : start + 4096])
    session.end()

    def is_finished() -> bool:
        session.pump()
        return session.finished

    wait_until(is_finished, "the final has come")
    pool.release(slot)
    return session.outgoing()[-1].decode()


def replaced_processes() -> list[int]:
    """Kills worker and decoders of an engine and uses it again; gives the ids of all there were."""
    engine = Engine(echo_config(slots=2, decoders=2), ECHO_SPEC, frontends=1)
    try:
        engine.start()
        assert '"text":"first words"' in heard(engine, "first words")
        processes = [
            managed(engine, "worker"),
            managed(engine, "decoder", 0),
            managed(engine, "decoder", 1),
        ]
        pids = [pid_of(process) for process in processes]
        for process in processes:
            os.kill(pid_of(process), signal.SIGKILL)
            wait_for_death(process)
        now_s = time.monotonic()
        assert len(engine.watch(now_s)) == 3
        engine.watch(now_s)
        wait_until(lambda: engine.is_ready, "all are replaced")
        assert [process.line.generation for process in processes] == [2, 2, 2]
        assert '"text":"second words"' in heard(engine, "second words")
        return pids + [pid_of(process) for process in processes]
    finally:
        engine.close()


def test_a_second_pass_that_cannot_be_used_is_said_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By the process that finds out; the start ends there."""
    (tmp_path / "model.bin").write_text("no model")
    config = replace(echo_config(), second_pass=tmp_path)
    engine = Engine(config, ECHO_SPEC, frontends=1)
    try:
        with pytest.raises(UnusableError):
            engine.start()
    finally:
        engine.close()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"realtime-engine: {tmp_path} has no config.json, tokenizer.json")


def test_worker_and_decoders_are_replaced_and_leave_nothing() -> None:
    before = open_descriptors()
    pids = replaced_processes()
    assert len(set(pids)) == 6
    assert not any(map(is_running, pids))
    assert open_descriptors() == before
