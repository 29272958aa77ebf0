"""What the supervisor decides for a frontend. Apart, so that the supervisor loads no WebSockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Who may connect, and what is waited for, for how long.

    Without a file, API keys are those of the environment, if any. 0 s for sessions: they end with
    their connections. 0 s of idleness, 0 streams of an address: there is no limit. 0 s of draining:
    utterances end when the server is told to stop.
    """

    api_key_file: str | None = None
    keep_session_s: int = 0
    address_streams: int = 0
    handshake_timeout_s: int = 10
    idle_timeout_s: int = 0
    unread_timeout_s: int = 30
    drain_s: int = 0


EVERYBODY: Final = ClientSettings()
"""Nothing is asked of them."""


@dataclass(frozen=True, slots=True)
class FrontendSettings:
    """The inherited listening sockets, the TLS files (both or neither), and who may connect.

    Operators may have no socket of their own: their pages are then on the clients' one.
    """

    listen_fd: int
    ssl_cert: str | None
    ssl_key: str | None
    operator_fd: int | None = None
    clients: ClientSettings = EVERYBODY

    @staticmethod
    def of(fields: Mapping[str, Any]) -> FrontendSettings:
        """From the fields of `dataclasses.asdict`, as they come through JSON."""
        return FrontendSettings(**{**fields, "clients": ClientSettings(**fields["clients"])})

    @property
    def fds(self) -> tuple[int, ...]:
        """What a frontend inherits for them."""
        return tuple(fd for fd in (self.listen_fd, self.operator_fd) if fd is not None)
