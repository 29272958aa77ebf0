"""The engine's processes: their settings, then the real ones with the echo model."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from models import BUNDLED_MODEL
from models.spec import ModelSpec
from server.engine import Engine, geometry_of
from server.handshake import Parameters
from server.processes import UnusableError
from server.session import Session
from shm.layout import Geometry
from shm.slot_pool import SlotPool
from tests.conformance.spelling import RATE_HZ, spell
from tests.conformance.waiting import wait_until
from tests.server.processes import (
    ECHO_SPEC,
    echo_config,
    is_running,
    managed,
    open_descriptors,
    pid_of,
    wait_for_death,
)

pytestmark = pytest.mark.server

SECOND_PASS = ModelSpec.load(BUNDLED_MODEL).second_pass_path


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


@pytest.mark.parametrize("count", [1, 2])
def test_as_many_second_passes_as_are_configured(count: int) -> None:
    config = replace(echo_config(), second_pass=SECOND_PASS, second_passes=count)
    assert geometry_of(config, ECHO_SPEC, frontends=1).second_passes == count
    engine = Engine(config, ECHO_SPEC, frontends=1)
    try:
        for index in range(count):
            process = managed(engine, "second pass", index)
            assert process.settings == {
                "model": str(SECOND_PASS),
                "device": "cpu",
                "precision": "auto",
            }
        assert sum(m.name == "second pass" for m in engine._processes) == count
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
    config = replace(echo_config(), second_pass=tmp_path, second_passes=1)
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
