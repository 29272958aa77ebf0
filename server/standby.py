"""A process that is loaded and waits for the death of the one before it.

It was started as that one was, but for a socket: it says there that it has loaded, and the number
of its generation comes through it when its turn has come (`shm.child.Child.take_turn`). Until then
it has written nothing into the plane, and nobody knows of it but the supervisor. The socket's end
without a number ends it.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from shm.child import turn_message


@dataclass(frozen=True, slots=True)
class Standby:
    """The process, and the end of the socket that is written to once."""

    process: subprocess.Popen[bytes]
    _turn_fd: int

    @staticmethod
    def start(launch: Callable[[int], subprocess.Popen[bytes]]) -> Standby:
        """``launch`` starts the process, which inherits the descriptor that it is given."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = launch(theirs.fileno())
            except BaseException:
                ours.close()
                raise
            return Standby(process, ours.detach())

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def is_loaded(self) -> bool:
        """Whether it could begin at once."""
        said = select.poll()
        said.register(self._turn_fd, select.POLLIN)
        return [event for _, event in said.poll(0)] == [select.POLLIN]  # and no hangup

    def promote(self, generation: int) -> subprocess.Popen[bytes]:
        """Its turn has come; its predecessor's death must have been confirmed (rule R7)."""
        with suppress(
            BrokenPipeError, ConnectionResetError
        ):  # it has just died: whoever watches it will see
            os.write(self._turn_fd, turn_message(generation))
        os.close(self._turn_fd)
        return self.process

    def dismiss(self) -> subprocess.Popen[bytes]:
        """Its turn will never come; the process is still to be waited for."""
        os.close(self._turn_fd)
        return self.process
