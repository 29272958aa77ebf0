"""A successor in waiting: one message through a pipe, or none."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys

from server.forked_process import AnyProcess, adopt_orphans
from server.standby import Standby
from shm.child import turn_message
from tests.conformance.waiting import wait_until

ECHOES = "import os, sys; print(os.read(int(sys.argv[1]), 99).hex())"


def started(does: str = ECHOES) -> Standby:
    def launch(turn_fd: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", does, str(turn_fd)]
        return subprocess.Popen(command, pass_fds=(turn_fd,), stdout=subprocess.PIPE)

    return Standby.start(launch)


def ended(process: AnyProcess | None) -> bytes:
    """What it said by the end."""
    assert isinstance(process, subprocess.Popen)
    output, _ = process.communicate()
    return bytes(output)


FORKS = """
import os, struct, sys
fd = int(sys.argv[1])
while True:
    os.write(fd, struct.pack("<Q", os.getpid()))
    turn = os.read(fd, 99)
    if not turn or os.fork():
        os._exit(0)
"""


def test_its_generation_comes_through_the_pipe() -> None:
    standby = started()
    assert standby.is_running
    output = ended(standby.promote(3)[0])
    assert output.decode().strip() == turn_message(3).hex()
    assert not standby.is_running


def test_who_is_dismissed_reads_the_end() -> None:
    assert ended(started().dismiss()) == b"\n"


def test_a_dead_one_may_be_promoted() -> None:
    standby = started()
    assert standby.process is not None
    standby.process.kill()
    standby.process.wait()
    assert standby.promote(3)[0].returncode is not None


def test_no_descriptor_is_left() -> None:
    before = len(os.listdir("/proc/self/fd"))
    ended(started().dismiss())
    process, left = started().promote(1)
    ended(process)
    assert left.dismiss() is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_who_is_loaded_says_so() -> None:
    standby = started(FORKS)
    wait_until(lambda: standby.is_loaded, "it has loaded")
    assert standby.is_running
    assert not standby.is_expected
    standby.dismiss()


def test_in_its_turn_it_may_leave_another() -> None:
    assert adopt_orphans()
    standby = started(FORKS)
    for generation in range(1, 4):
        wait_until(lambda standby=standby: standby.is_running, "it has said who it is")
        process, standby = standby.promote(generation)
        assert standby.is_expected or standby.is_running
        process.wait()
    wait_until(lambda: standby.is_loaded, "the last one has said so")
    left = standby.dismiss()
    assert left is not None
    assert left.wait() == 0


def test_who_leaves_nobody_is_not_expected_to() -> None:
    process, left = started().promote(1)
    ended(process)
    assert not left.is_expected
    assert not left.is_running
    assert left.dismiss() is None


def test_who_is_promoted_before_it_has_loaded_is_not_its_own_successor() -> None:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        standby = Standby(None, ours.detach(), os.getpid())
        theirs.send(struct.pack("<Q", os.getpid()))
        assert standby.is_expected
        theirs.send(struct.pack("<Q", os.getppid()))
        assert standby.is_running
        assert standby.process is not None
        assert standby.process.pid == os.getppid()
    standby.dismiss()
