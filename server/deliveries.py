"""What a session has said to its client, and what is said again to one that comes back. Pure.

A client whose connection broke comes back and names the last message that it got; what was said
after that one is said again, with the same ``msgId``. What has to arrive is kept in `shm.said`,
which outlives this process; of partials only the newest is worth repeating, and nobody misses it
when a process has died. Messages up to a number are known to have arrived when the client answers a
ping that was sent behind them.

The ids of a session's messages differ in their last 32 bits, which tell the number to who knows the
session's token.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Final

from shm.said import Said

_NUMBER: Final = 0xFFFF_FFFF


class Deliveries:
    """The messages of one session, oldest first."""

    __slots__ = ("_id", "_newest", "_said")

    def __init__(self, said: Said, token: str) -> None:
        self._said = said
        secret = hashlib.blake2b(token.encode(), digest_size=16).digest()
        self._id = uuid.UUID(bytes=secret, version=4).int
        self._newest: tuple[int, bytes] | None = None
        """The newest message with its number, if it is one that passes."""

    @property
    def said(self) -> int:
        """How many messages there have been."""
        return self._said.count

    @property
    def incomplete(self) -> bool:
        """Whether one was dropped that may not have arrived."""
        return self._said.lost

    def next_id(self) -> str:
        """The ``msgId`` of the message that is added next."""
        return str(uuid.UUID(int=self._id ^ (self.said + 1 & _NUMBER)))

    def add(self, message: bytes, *, passes: bool) -> None:
        """A message is said; one that ``passes`` is of no use once another has followed it."""
        if passes:
            self._newest = self._said.pass_by(), message
        else:
            self._said.add(message)
            self._newest = None

    def confirm(self, number: int) -> None:
        """The messages up to ``number`` have arrived."""
        self._said.confirm(number)

    def after(self, message_id: str | None) -> list[bytes]:
        """What is to be said again after that message; everything kept, if it is not known."""
        number = self._number_of(message_id)
        again = self._said.after(number)
        if self._newest is not None and self._newest[0] > number:
            again.append(self._newest[1])
        return again

    def _number_of(self, message_id: str | None) -> int:
        """0 for none, and for one that this session has not said."""
        try:
            number = uuid.UUID(message_id or "").int ^ self._id
        except ValueError:
            return 0
        return number if number <= self.said else 0
