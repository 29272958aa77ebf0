"""Processes that others have forked: waited for, told to end, and held by a descriptor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.forked_process import UNKNOWN, ForkedProcess, adopt_orphans
from tests.server.processes import open_descriptors, parent_of

FORKS = """
import os, sys, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    code = os.read(int(sys.argv[1]), 1)
    os._exit(int(code or b"9"))
print(pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def forked() -> Iterator[tuple[ForkedProcess, subprocess.Popen[bytes], int]]:
    """A process, who forked it, and what makes it end with the digit that is written there."""
    assert adopt_orphans()
    read_end, write_end = os.pipe()
    command = [sys.executable, "-c", FORKS, str(read_end)]
    parent = subprocess.Popen(
        command, pass_fds=(read_end,), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    process = ForkedProcess(int(parent.stdout.readline()))
    try:
        yield process, parent, write_end
    finally:
        process.kill()
        process.wait()
        parent.kill()
        parent.communicate()
        os.close(read_end)
        os.close(write_end)


def end(parent: subprocess.Popen[bytes]) -> None:
    parent.kill()
    parent.wait()


def test_who_lost_its_parent_is_ours_to_wait_for() -> None:
    with forked() as (process, parent, write_end):
        assert process.poll() is None
        end(parent)
        assert parent_of(process.pid) == os.getpid()
        assert process.poll() is None
        os.write(write_end, b"7")
        assert process.wait() == 7
        assert process.returncode == process.poll() == 7
        assert not Path(f"/proc/{process.pid}").exists(), "nothing is left of it"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_its_status(number: signal.Signals) -> None:
    with forked() as (process, parent, _):
        end(parent)
        process.send_signal(number)
        assert process.wait() == -number
        process.terminate()  # whoever has its number now is not meant


def test_who_dies_before_its_parent_is_dead_of_something() -> None:
    with forked() as (process, _, write_end):
        os.write(write_end, b"7")
        assert process.wait() == UNKNOWN


def test_a_wait_may_be_too_long() -> None:
    with forked() as (process, _, _), pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)


def test_without_pidfds_nobody_is_adopted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int) -> int:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "pidfd_open", refused)
    assert not adopt_orphans()


def test_nobody_is_an_error() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(OSError, match="No such process"):
        ForkedProcess(gone.pid)


def test_no_descriptor_is_left() -> None:
    before = open_descriptors()
    with forked() as (process, parent, _):
        end(parent)
        process.kill()
        process.wait()
    assert open_descriptors() == before
