"""What the supervisor decides for a frontend. Apart, so that the supervisor loads no WebSockets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrontendSettings:
    """The inherited listening socket, the log level and the TLS files (both or neither)."""

    listen_fd: int
    log_level: str
    ssl_cert: str | None
    ssl_key: str | None
