"""A successor in waiting: one message through a pipe, or none."""

from __future__ import annotations

import os
import subprocess
import sys

from server.standby import Standby
from shm.child import turn_message

ECHOES = "import os, sys; print(os.read(int(sys.argv[1]), 99).hex())"


def started() -> Standby:
    def launch(turn_fd: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", ECHOES, str(turn_fd)]
        return subprocess.Popen(command, pass_fds=(turn_fd,), stdout=subprocess.PIPE)

    return Standby.start(launch)


def test_its_generation_comes_through_the_pipe() -> None:
    standby = started()
    assert standby.is_running
    output, _ = standby.promote(3).communicate()
    assert output.decode().strip() == turn_message(3).hex()
    assert not standby.is_running


def test_who_is_dismissed_reads_the_end() -> None:
    output, _ = started().dismiss().communicate()
    assert output == b"\n"


def test_a_dead_one_may_be_promoted() -> None:
    standby = started()
    standby.process.kill()
    standby.process.wait()
    assert standby.promote(3).returncode is not None


def test_no_descriptor_is_left() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for end in (Standby.dismiss, lambda standby: standby.promote(1)):
        end(started()).communicate()
    assert len(os.listdir("/proc/self/fd")) == before
