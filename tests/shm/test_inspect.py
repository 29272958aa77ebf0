from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from shm import inspect, layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.outbox import ResumePoint
from shm.plane import Plane, PlaneError
from shm.process_line import ProcessLine
from shm.slot_pool import SlotPool
from shm.trace import Trace
from shm.worker_slot import WorkerSlot
from tests.shm.holder import holder
from tests.shm.planes import SMALL, emission, final, samples

NO_SUCH_PROCESS = 2**22 + 1  # above the kernel's highest pid


def columns(plane: Plane, first: str) -> list[str]:
    """The row of a process or slot that begins with ``first``, as its columns."""
    report = list(inspect.report(plane, time.monotonic_ns()))
    tables = report[report.index("") :]
    return next(line.split() for line in tables if line.strip().startswith(first))


def test_the_geometry_is_told(plane: Plane) -> None:
    text = "\n".join(inspect.report(plane, 0))
    assert "3 slots, 2 frontends, 1 workers, 2 decoders, 1 second passes, " in text
    assert "100 Hz, 10 samples a frame, 4 frames a chunk, 5 tokens" in text
    assert "81.9 s of audio, 128 emissions, 16 results, 16 marks" in text
    assert "shutting down" not in text
    plane.header[layout.HEADER_SHUTDOWN] = 1
    assert "shutting down" in "\n".join(inspect.report(plane, 0))


def test_processes_are_listed_present_and_absent(plane: Plane) -> None:
    line = ProcessLine(plane, plane.layout.decoder_process(1))
    line.announce(4)
    assert columns(plane, "supervisor") == ["supervisor", str(os.getpid())]
    assert columns(plane, "worker 0") == ["worker", "0", "absent"]
    found = columns(plane, "decoder 1")
    assert found[:5] == ["decoder", "1", str(os.getpid()), "4", "starting"]
    line.ready()
    found = columns(plane, "decoder 1")
    assert found[4] == "ready"
    assert found[6] == "2"


def test_the_way_of_the_last_chunk_is_told(plane: Plane, bells: Doorbells) -> None:
    assert "chunk, " not in list(inspect.report(plane, 0))[-1]
    times_ns = (1_000_000 * at for at in (10, 11, 41, 90, 94, 200, 201))
    FrontendSlot.begin(plane, bells, 2, frontend=0).leave_trace(Trace._make(times_ns))
    told = list(inspect.report(plane, 0))[-1]
    assert told.startswith("slot 2, its last chunk, 191.0 ms: received_to_ringed 1.0, ")
    assert "staged_to_stepped 49.0" in told


def test_a_second_pass_is_listed_like_the_others(plane: Plane) -> None:
    assert columns(plane, "second pass 0") == ["second", "pass", "0", "absent"]
    line = ProcessLine(plane, plane.layout.second_pass_process(0))
    line.announce(7)
    line.ready()
    found = columns(plane, "second pass 0")
    assert found[:6] == ["second", "pass", "0", str(os.getpid()), "7", "ready"]


def test_an_engine_without_a_second_pass_lists_none() -> None:
    plane = Plane.create(replace(SMALL, second_passes=0))
    report = list(inspect.report(plane, 0))
    assert "2 decoders, 0 second passes, " in report[0]
    assert not [line for line in report if line.startswith("second pass")]
    plane.close()


def test_every_process_of_the_engine_is_listed_once(plane: Plane) -> None:
    report = list(inspect.report(plane, 0))
    header = next(i for i, line in enumerate(report) if line.startswith("process"))
    rows = report[header + 1 : report.index("", header)]
    assert [row.removesuffix("absent").strip() for row in rows[1:]] == [
        *("frontend 0", "frontend 1", "worker 0", "decoder 0", "decoder 1", "second pass 0")
    ]


def test_the_age_of_a_heartbeat_is_told(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic_ns", lambda: 10_000_000)
    ProcessLine(plane, plane.layout.worker_process(0)).announce(0)
    row = next(line for line in inspect.report(plane, 22_500_000) if line.startswith("worker 0"))
    assert row.split()[5] == "12.5"


def test_a_slots_indices_are_told(plane: Plane, bells: Doorbells) -> None:
    assert columns(plane, "1")[1:4] == ["closed", "0", "0"]
    slot = FrontendSlot.begin(plane, bells, 1, frontend=1)
    worker, decoder = WorkerSlot(plane, bells, 1), DecoderSlot(plane, bells, 1)
    slot.write_audio(samples(*range(250)))
    slot.write_mark()
    slot.write_mark()
    for first_frame in (0, 4, 8):
        worker.publish(emission(epoch=slot.epoch, first_frame=first_frame))
    decoder.step_past()
    decoder.publish(final(epoch=slot.epoch, resume=ResumePoint(1, 50, 1, 1, 50)))
    decoder.step_past()
    assert columns(plane, "1") == [
        *("1", "open", "1", "1"),
        *("2.50", "0.50", "79.9"),
        "3/2/1",
        "1/0",
        "1",
    ]


def test_any_process_that_holds_the_plane_will_do(plane: Plane, bells: Doorbells) -> None:
    with holder(plane, bells, frontend=1, slots=1) as process:
        found = inspect.plane_of(process.pid)
        assert columns(found, "0")[1:5] == ["open", "1", "1", "1.50"]
        with pytest.raises(TypeError):
            found.header[layout.HEADER_SHUTDOWN] = 1
        found.close()


def test_looking_leaves_the_locks_of_the_process_alone(plane: Plane, bells: Doorbells) -> None:
    with holder(plane, bells, frontend=1, slots=SMALL.slots) as process:
        inspect.plane_of(process.pid).close()
        assert SlotPool(plane, bells, 0).claim() is None


def test_the_command_prints_the_plane(plane: Plane, bells: Doorbells) -> None:
    with holder(plane, bells, frontend=0, slots=1) as process:
        command = [sys.executable, "-m", "shm.inspect", str(process.pid)]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        assert found.stdout.startswith(f"plane of process {process.pid}\n3 slots, ")
        assert found.stderr == ""


def test_watching_prints_again_until_the_process_is_gone(plane: Plane, bells: Doorbells) -> None:
    with holder(plane, bells, frontend=0, slots=1) as process:
        command = [sys.executable, "-m", "shm.inspect", str(process.pid), "--watch", "0.01"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
            assert watcher.stdout is not None
            titles = 0
            for line in watcher.stdout:
                titles += line.startswith("plane of process")
                if titles == 3 and process.returncode is None:
                    process.kill()
                    process.wait()
        assert watcher.returncode == 0
        assert titles >= 3


def test_no_such_process_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect.main([str(NO_SUCH_PROCESS)]) == 1
    assert capsys.readouterr().err == (
        f"there is no process {NO_SUCH_PROCESS}: give the pid of a running engine\n"
    )


def test_a_process_without_a_plane_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert inspect.main([str(process.pid)]) == 1
        process.kill()
    assert capsys.readouterr().err.startswith(f"process {process.pid} holds no plane: give the pid")


def test_a_process_of_another_user_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert inspect.main(["1"]) == 1
    assert capsys.readouterr().err == (
        "no permission to look into process 1: run this as the engine's user or as root\n"
    )


def test_a_plane_of_another_version_is_one_line(
    plane: Plane, bells: Doorbells, capsys: pytest.CaptureFixture[str]
) -> None:
    with holder(plane, bells, frontend=0, slots=1) as process:
        plane.header[layout.HEADER_VERSION] = layout.LAYOUT_VERSION - 1
        with pytest.raises(PlaneError):
            inspect.plane_of(process.pid)
        assert inspect.main([str(process.pid)]) == 1
    assert capsys.readouterr().err == (
        f"the plane has layout version {layout.LAYOUT_VERSION - 1}, this program reads version "
        f"{layout.LAYOUT_VERSION}: use the version that started the engine\n"
    )


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "inf"])
def test_a_watch_must_have_a_length(capsys: pytest.CaptureFixture[str], seconds: str) -> None:
    with pytest.raises(SystemExit):
        inspect.main(["1", f"--watch={seconds}"])
    assert f"'{seconds}' must be a number of seconds above 0" in capsys.readouterr().err
