"""What the supervisor decides for a frontend. Apart, so that the supervisor loads no WebSockets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrontendSettings:
    """The inherited listening sockets and the TLS files (both or neither).

    Operators may have no socket of their own: their pages are then on the clients' one.
    """

    listen_fd: int
    ssl_cert: str | None
    ssl_key: str | None
    operator_fd: int | None = None

    @property
    def fds(self) -> tuple[int, ...]:
        """What a frontend inherits for them."""
        return tuple(fd for fd in (self.listen_fd, self.operator_fd) if fd is not None)
