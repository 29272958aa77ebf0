"""A process that another child of this one has forked: to be waited for all the same.

A process that stands by leaves a successor behind when its turn comes, by forking
(`shm.child.Child.take_turn`). The kernel gives such a process to the supervisor as soon as its
parent is dead (PR_SET_CHILD_SUBREAPER), so that its own death is confirmed by the supervisor's
wait, as everybody else's is (rule R7). It is held by a descriptor: a number may be used again.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
from contextlib import suppress
from typing import Final, TypeAlias

_PR_SET_CHILD_SUBREAPER: Final = 36
UNKNOWN: Final = 255
"""The exit status of one that died while its parent lived, who let the kernel wait for it."""


def adopt_orphans() -> bool:
    """Processes whose parent dies become children of this one, and `ForkedProcess` can hold them.

    Returns whether that can be had: not with a kernel before 5.4, nor in a container that keeps
    pidfds from its processes.
    """
    try:
        own = os.pidfd_open(os.getpid())
    except OSError:
        return False
    os.close(own)
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


class ForkedProcess:
    """As `subprocess.Popen`, as far as an engine needs it."""

    def __init__(self, pid: int) -> None:
        """Raises OSError: there is no such process any more."""
        self.pid = pid
        self.returncode: int | None = None
        self._fd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end. Raises subprocess.TimeoutExpired after ``timeout`` seconds."""
        code = self._look(None if timeout is None else 1000 * timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Does nothing if it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout_ms: float | None) -> int | None:
        if self.returncode is None:
            end = select.poll()
            end.register(self._fd, select.POLLIN)
            if end.poll(timeout_ms):
                self.returncode = self._reap()
                os.close(self._fd)
        return self.returncode

    def _reap(self) -> int:
        try:
            found = os.waitid(os.P_PIDFD, self._fd, os.WEXITED)
        except ChildProcessError:
            return UNKNOWN
        assert found is not None, "only with WNOHANG"
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


AnyProcess: TypeAlias = "subprocess.Popen[bytes] | ForkedProcess"
