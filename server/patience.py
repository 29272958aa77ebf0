"""How long a stream's client may be idle, or leave its results unread. Pure.

One for each connection; it is told what happens and asked once in a while. What the kernel and the
client's machine hold is not seen: ``unsent_bytes`` is what they do not take any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

UNREAD_BYTES: Final = 65_536
"""Some minutes of results. A client behind a slow line has less in flight."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a client is let go: the ``status`` and ``info`` of what it is told."""

    status: str
    info: str


class Patience:
    """With one client. ``idle_s`` 0: it may say nothing for as long as it likes."""

    __slots__ = ("_idle_s", "_last_message_s", "_unread_s", "_unread_since_s")

    def __init__(self, idle_s: float, unread_s: float, now_s: float) -> None:
        self._idle_s = idle_s
        self._unread_s = unread_s
        self._last_message_s = now_s
        self._unread_since_s: float | None = None

    def heard(self, now_s: float) -> None:
        """A message has come, or is waited for only now; pings and pongs are none."""
        self._last_message_s = now_s

    def verdict(self, unsent_bytes: int, *, listening: bool, now_s: float) -> Verdict | None:
        """Whether it is over. Nobody is idle to whom the server does not listen."""
        if unsent_bytes <= UNREAD_BYTES:
            self._unread_since_s = None
        elif self._unread_since_s is None:
            self._unread_since_s = now_s
        elif now_s - self._unread_since_s >= self._unread_s:
            return Verdict(
                "slow_reader",
                f"results have not been read for {self._unread_s:g} s: receive while you send",
            )
        if not listening:
            self._last_message_s = now_s
        if self._idle_s and now_s - self._last_message_s >= self._idle_s:
            return Verdict(
                "idle_timeout",
                f"nothing was sent for {self._idle_s:g} s: connect again when there is audio",
            )
        return None
