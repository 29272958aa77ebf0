"""An eventfd per process: rung after something was written for it, waited on with a time-out.

"I go to sleep" and "is there work" are a store and a load that no processor orders, so a ring can
be missed in principle; every wait therefore ends by itself after a bound, and its caller looks
again.
"""

from __future__ import annotations

import os
import select


class Doorbell:
    """Any process may ring it; one waits."""

    __slots__ = ("_poll", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    @classmethod
    def create(cls) -> Doorbell:
        return cls(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))

    def ring(self) -> None:
        os.eventfd_write(self.fd, 1)

    def clear(self) -> None:
        """Takes back all rings so far, so that the next wait waits for a new one."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return

    def wait(self, timeout_ms: float) -> None:
        """Returns when rung, at the latest after ``timeout_ms``."""
        if self._poll.poll(timeout_ms):
            self.clear()

    def close(self) -> None:
        os.close(self.fd)
