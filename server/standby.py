"""A process that is loaded and waits for the death of the one before it.

It was started as that one was, but for a socket: it says there that it has loaded, and the number
of its generation comes through it when its turn has come (`shm.child.Child.take_turn`). Until then
it has written nothing into the plane, and nobody knows of it but the supervisor. The socket's end
without a number ends it.

In its turn it may leave another at the other end of the socket, which it has forked: until that one
has said who it is, it is expected.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from server.forked_process import AnyProcess, ForkedProcess
from shm.child import LOADED_BYTES, loaded_pid, turn_message


@dataclass(slots=True)
class Standby:
    """The process at the other end of a socket; None while it is expected."""

    process: AnyProcess | None
    _turn_fd: int
    _parent_pid: int = 0
    _is_loaded: bool = False

    @staticmethod
    def start(launch: Callable[[int], subprocess.Popen[bytes]]) -> Standby:
        """``launch`` starts the process, which inherits the descriptor that it is given."""
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            try:
                process = launch(theirs.fileno())
            except BaseException:
                ours.close()
                raise
            return Standby(process, ours.detach())

    @property
    def is_running(self) -> bool:
        """Whether it may be promoted."""
        self._look()
        return self.process is not None and self.process.poll() is None

    @property
    def is_expected(self) -> bool:
        """Whether there is a process, or soon will be, that has not said who it is."""
        return not self._look() and self.process is None

    @property
    def is_loaded(self) -> bool:
        """Whether it could begin at once."""
        return not self._look() and self._is_loaded

    def promote(self, generation: int) -> tuple[AnyProcess, Standby]:
        """Its turn has come; its predecessor's death must have been confirmed (rule R7).

        Returns the process, and the one that it may leave.
        """
        assert self.process is not None, "only who has said who it is can be waited for"
        with suppress(
            BrokenPipeError, ConnectionResetError
        ):  # it has just died: whoever watches it will see
            os.write(self._turn_fd, turn_message(generation))
        return self.process, Standby(None, self._turn_fd, self.process.pid)

    def dismiss(self) -> AnyProcess | None:
        """Its turn will never come; the process, if there is one, is still to be waited for."""
        self._look()
        os.close(self._turn_fd)
        return self.process

    def _look(self) -> bool:
        """Takes what was said; whether nobody is at the other end any more."""
        said = select.poll()
        said.register(self._turn_fd, select.POLLIN)
        while events := [event for _, event in said.poll(0)]:
            message = b""
            if events[0] & select.POLLIN:
                with suppress(ConnectionResetError):  # its end came before it had read its turn
                    message = os.read(self._turn_fd, LOADED_BYTES)
            if not message:
                return True
            self._has_loaded(loaded_pid(message))
        return False

    def _has_loaded(self, pid: int) -> None:
        if pid == self._parent_pid:
            return  # its turn had come before it was loaded
        if self.process is None:
            with suppress(OSError):  # it is gone again
                self.process = ForkedProcess(pid)
        self._is_loaded = True
