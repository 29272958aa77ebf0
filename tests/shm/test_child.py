from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shm.child import (
    EXIT_UNUSABLE,
    LOADED_BYTES,
    Child,
    ChildArguments,
    loaded_pid,
    turn_message,
)
from shm.doorbells import Doorbells
from shm.plane import Plane
from shm.process_line import ProcessLine, ProcessState
from tests.conformance.waiting import wait_until
from tests.shm.planes import SMALL

CHILD = """
import sys
from shm.child import Child, run_child
from shm.process_line import ProcessLine

def main(child):
    if child.settings.get("unusable"):
        raise ValueError("the settings are of no use")
    if child.settings.get("crash"):
        raise KeyError("our mistake")
    child.stop_on_sigterm()
    line = ProcessLine(child.plane, child.plane.layout.worker_process(0))
    if not child.take_turn(line, can_fork=not child.settings.get("has_threads")):
        print("no turn", flush=True)
        return
    print(child.index, child.generation, child.plane.geometry.slots, flush=True)
    while child.goes_on:
        child.bells.workers[0].wait(20)
    print("stopped", flush=True)

run_child(main, (ValueError,))
"""


@contextmanager
def lifeline() -> Iterator[tuple[int, int]]:
    read_end, write_end = os.pipe()
    try:
        yield read_end, write_end
    finally:
        for fd in (read_end, write_end):
            try:
                os.close(fd)
            except OSError:
                assert fd == write_end, "a test may have cut it"


def start(
    plane: Plane,
    bells: Doorbells,
    lifeline_fd: int,
    turn_fd: int | None = None,
    leaves_another: bool = False,
    **settings: bool,
) -> subprocess.Popen[str]:
    arguments = ChildArguments(
        3, 2, plane.fd, bells.fds, lifeline_fd, dict(settings), turn_fd=turn_fd,
        leaves_another=leaves_another,
    )  # fmt: skip
    turns = () if turn_fd is None else (turn_fd,)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, arguments.to_json()],
        pass_fds=(plane.fd, *bells.fds, lifeline_fd, *turns),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_arguments_survive_the_command_line() -> None:
    arguments = ChildArguments(1, 2, 3, (4, 5), 6, {"model": "/a path/ü", "beam_size": 600})
    assert ChildArguments.from_json(arguments.to_json()) == arguments


def test_arguments_with_a_field_too_many_are_refused() -> None:
    fields = json.loads(ChildArguments(1, 2, 3, (4,), 5, {}).to_json())
    with pytest.raises(TypeError):
        ChildArguments.from_json(json.dumps({**fields, "other": 1}))


def test_a_child_finds_plane_bells_and_settings(plane: Plane, bells: Doorbells) -> None:
    with lifeline() as (read_end, _):
        arguments = ChildArguments(1, 4, plane.fd, bells.fds, read_end, {"a": 1})
        child = Child(ChildArguments.from_json(arguments.to_json()))
        assert (child.index, child.generation, child.settings) == (1, 4, {"a": 1})
        assert child.plane.geometry == SMALL
        assert child.bells.fds == bells.fds
        assert child.lifeline_fd == read_end
        assert child.goes_on


def test_a_child_stops_when_its_supervisor_is_gone(plane: Plane, bells: Doorbells) -> None:
    with lifeline() as (read_end, write_end):
        arguments = ChildArguments(1, 4, plane.fd, bells.fds, read_end, {})
        child = Child(arguments)
        os.close(write_end)
        assert not child.goes_on


def test_sigterm_ends_the_loop_and_not_the_round(plane: Plane, bells: Doorbells) -> None:
    with lifeline() as (read_end, _), start(plane, bells, read_end) as process:
        assert first_line(process) == f"3 2 {SMALL.slots}\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate()[0] == "stopped\n"
        assert process.returncode == 0


def test_the_end_of_the_lifeline_ends_the_loop(plane: Plane, bells: Doorbells) -> None:
    with lifeline() as (read_end, write_end), start(plane, bells, read_end) as process:
        first_line(process)
        os.close(write_end)
        assert process.communicate()[0] == "stopped\n"
        assert process.returncode == 0


def test_what_a_child_cannot_use_is_one_line_and_a_code(plane: Plane, bells: Doorbells) -> None:
    with lifeline() as (read_end, _), start(plane, bells, read_end, unusable=True) as process:
        _, errors = process.communicate()
        assert errors == "realtime-engine: the settings are of no use\n"
        assert process.returncode == EXIT_UNUSABLE


def test_our_mistake_is_a_traceback_and_another_code(plane: Plane, bells: Doorbells) -> None:
    with lifeline() as (read_end, _), start(plane, bells, read_end, crash=True) as process:
        _, errors = process.communicate()
        assert "Traceback" in errors
        assert process.returncode not in {0, EXIT_UNUSABLE}


# -- standing by


@contextmanager
def turn() -> Iterator[tuple[int, int]]:
    with lifeline() as ends:
        yield ends


def test_a_child_that_stands_by_begins_in_its_turn(plane: Plane, bells: Doorbells) -> None:
    """Until then the plane does not know it; from then on it has the number that it was given."""
    line = ProcessLine(plane, plane.layout.worker_process(0))
    with (
        lifeline() as (read_end, _),
        turn() as (turn_read, turn_write),
        start(plane, bells, read_end, turn_read) as process,
    ):
        assert line.state is ProcessState.ABSENT
        os.write(turn_write, turn_message(7))
        assert first_line(process) == f"3 7 {SMALL.slots}\n"
        assert (line.generation, line.pid) == (7, process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.communicate()[0] == "stopped\n"


@pytest.mark.parametrize("end", ["turn", "lifeline", "SIGTERM"])
def test_a_child_whose_turn_never_comes_just_ends(plane: Plane, bells: Doorbells, end: str) -> None:
    with (
        lifeline() as (read_end, life_end),
        turn() as (turn_read, turn_write),
        start(plane, bells, read_end, turn_read) as process,
    ):
        if end == "turn":
            os.close(turn_write)
        elif end == "lifeline":
            os.close(life_end)
        else:
            wait_until(lambda: handles_sigterm(process.pid), "it has its handler")
            process.send_signal(signal.SIGTERM)
        assert process.communicate()[0] == "no turn\n"
        assert process.returncode == 0
    assert ProcessLine(plane, plane.layout.worker_process(0)).state is ProcessState.ABSENT


def handles_sigterm(pid: int) -> bool:
    """Whether a process catches it, by its status."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


# -- leaving another


@contextmanager
def both_ways() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def test_who_leaves_another_goes_on_and_so_does_that_one(plane: Plane, bells: Doorbells) -> None:
    line = ProcessLine(plane, plane.layout.worker_process(0))
    with (
        lifeline() as (read_end, _),
        both_ways() as (ours, theirs),
        start(plane, bells, read_end, theirs.fileno(), leaves_another=True) as process,
    ):
        theirs.close()
        assert loaded_pid(ours.recv(LOADED_BYTES)) == process.pid
        pids = [process.pid]
        for generation in range(1, 4):
            ours.send(turn_message(generation))
            assert first_line(process) == f"3 {generation} {SMALL.slots}\n"
            assert (line.generation, line.pid) == (generation, pids[-1])
            pids.append(loaded_pid(ours.recv(LOADED_BYTES)))
        assert len(set(pids)) == 4
        ours.close()
        assert first_line(process) == "no turn\n", "of the last one, with the socket"
        for pid in pids[:3]:
            os.kill(pid, signal.SIGTERM)
        assert process.communicate()[0] == 3 * "stopped\n"


@pytest.mark.parametrize(("leaves_another", "has_threads"), [(False, False), (True, True)])
def test_who_is_not_asked_to_or_cannot_leaves_nobody(
    plane: Plane, bells: Doorbells, leaves_another: bool, has_threads: bool
) -> None:
    with (
        lifeline() as (read_end, _),
        both_ways() as (ours, theirs),
        start(
            plane, bells, read_end, theirs.fileno(), leaves_another, has_threads=has_threads
        ) as process,
    ):
        theirs.close()
        assert loaded_pid(ours.recv(LOADED_BYTES)) == process.pid
        ours.send(turn_message(1))
        assert ours.recv(LOADED_BYTES) == b"", "nobody holds the other end any more"
        process.send_signal(signal.SIGTERM)
        assert process.communicate()[0] == f"3 1 {SMALL.slots}\nstopped\n"


def test_who_cannot_fork_serves_all_the_same(
    plane: Plane, bells: Doorbells, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where there is no memory for another process."""

    def fail() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fail)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("shm.child.gc.freeze", lambda: None)
    line = ProcessLine(plane, plane.layout.worker_process(0))
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with ours, lifeline() as (read_end, _):
        child = Child(
            ChildArguments(
                0,
                0,
                plane.fd,
                bells.fds,
                read_end,
                {},
                turn_fd=theirs.detach(),
                leaves_another=True,
            )
        )
        ours.send(turn_message(5))
        assert child.take_turn(line, can_fork=True)
        assert (child.generation, line.generation) == (5, 5)
