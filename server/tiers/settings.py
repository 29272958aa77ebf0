"""What the supervisor decides for a link and for a model server's listener.

Apart, so that it loads neither. The key is in none of them: a command line can be read by anyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from server.tiers.config import Host, LinkConfig


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """See `server.tiers.config.LinkConfig`; hosts are pairs of name and port."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool
    ca: str | None
    key_file: str | None
    partials: int

    @staticmethod
    def of(config: LinkConfig) -> LinkSettings:
        return LinkSettings(
            hosts=tuple((host.name, host.port) for host in config.hosts),
            tls=config.tls,
            ca=str(config.ca) if config.ca else None,
            key_file=str(config.key_file) if config.key_file else None,
            partials=config.partials,
        )

    @property
    def names(self) -> list[Host]:
        """The hosts, first choice first."""
        return [Host(name, port) for name, port in self.hosts]

    @property
    def key_path(self) -> Path | None:
        return Path(self.key_file) if self.key_file else None


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """The inherited listening sockets and the TLS files (both or neither)."""

    listen_fd: int
    ssl_cert: str | None
    ssl_key: str | None
    operator_fd: int | None
    key_file: str | None

    @property
    def fds(self) -> tuple[int, ...]:
        """What a listener inherits for them."""
        return tuple(fd for fd in (self.listen_fd, self.operator_fd) if fd is not None)

    @property
    def key_path(self) -> Path | None:
        return Path(self.key_file) if self.key_file else None
