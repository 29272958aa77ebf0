"""A process that is loaded and waits for the death of the one before it.

It was started as that one was, but for a pipe: the number of its generation comes through it when
its turn has come (`shm.child.Child.take_turn`). Until then it has written nothing into the plane,
and nobody knows of it but the supervisor. The pipe's end without a number ends it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from shm.child import turn_message


@dataclass(frozen=True, slots=True)
class Standby:
    """The process, and the pipe's end that is written to once."""

    process: subprocess.Popen[bytes]
    _turn_fd: int

    @staticmethod
    def start(launch: Callable[[int], subprocess.Popen[bytes]]) -> Standby:
        """``launch`` starts the process, which inherits the descriptor that it is given."""
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        try:
            return Standby(launch(read_fd), write_fd)
        finally:
            os.close(read_fd)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def promote(self, generation: int) -> subprocess.Popen[bytes]:
        """Its turn has come; its predecessor's death must have been confirmed (rule R7)."""
        with suppress(BrokenPipeError):  # it has just died: whoever watches it will see
            os.write(self._turn_fd, turn_message(generation))
        os.close(self._turn_fd)
        return self.process

    def dismiss(self) -> subprocess.Popen[bytes]:
        """Its turn will never come; the process is still to be waited for."""
        os.close(self._turn_fd)
        return self.process
