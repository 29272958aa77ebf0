"""What a session has said to its client, as long as the client may not have got it. Pure.

A client whose connection broke comes back and names the last message that it got; what was said
after that one is said again, with the same ``msgId``. Messages are numbered from 1. Those up to a
number are known to have arrived when the client answers a ping that was sent behind them; they are
then forgotten, but for the last few: what a WebSocket has taken, its program may not have seen.

Of partials only the newest is worth repeating; of the others the id alone is kept, so that a client
may name it. A client that lets `MAX_KEPT` messages go unconfirmed cannot come back any more.
"""

from __future__ import annotations

from collections import deque
from typing import Final

KEPT_ANYWAY: Final = 32
MAX_KEPT: Final = 1000


class Deliveries:
    """The messages of one session, oldest first."""

    __slots__ = ("_kept", "_newest_passes", "incomplete", "said")

    def __init__(self) -> None:
        self.said = 0
        """How many messages there have been."""
        self.incomplete = False
        """Whether one was dropped that may not have arrived."""
        self._kept: deque[tuple[str, bytes | None]] = deque()
        self._newest_passes = False

    def add(self, message_id: str, message: bytes, *, passes: bool) -> None:
        """A message is said; one that ``passes`` is of no use once another has followed it."""
        if self._newest_passes and self._kept:
            self._kept[-1] = (self._kept[-1][0], None)
        self._kept.append((message_id, message))
        self._newest_passes = passes
        self.said += 1
        if len(self._kept) > MAX_KEPT:
            self._kept.clear()
            self.incomplete = True

    def confirm(self, number: int) -> None:
        """The messages up to ``number`` have arrived."""
        first = self.said - len(self._kept) + 1
        surplus = min(number - first + 1, len(self._kept) - KEPT_ANYWAY)
        for _ in range(surplus):
            self._kept.popleft()

    def after(self, message_id: str | None) -> list[bytes]:
        """What is to be said again after that message; everything kept, if it is not known."""
        kept = list(self._kept)
        for index, (known, _) in enumerate(kept):
            if known == message_id:
                del kept[: index + 1]
                break
        return [message for _, message in kept if message is not None]
