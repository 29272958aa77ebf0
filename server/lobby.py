"""Connections that have no stream: not yet, not any more, or never. Pure.

One for a frontend process. Nobody stays here long: requests and goodbyes have their time-outs. But
connections can be opened faster than those run out, and each holds memory and a descriptor. So
there are no more than `MOST`: for one more the one that has been here longest has to go. A client
that means to speak has long sent its request by then.
"""

from __future__ import annotations

from typing import Final, Protocol

MOST: Final = 512
"""Descriptors for so many besides those of streams are to be had everywhere."""


class Guest(Protocol):
    """A connection."""

    def turn_out(self) -> None: ...


class Lobby:
    """Those of one process, the longest here first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._guests: dict[Guest, None] = {}

    def __len__(self) -> int:
        return len(self._guests)

    def enter(self, guest: Guest) -> None:
        """One more, who may be here already; if that is one too many, another is turned out."""
        self._guests[guest] = None
        if len(self._guests) > self._most:
            longest = next(iter(self._guests))
            del self._guests[longest]
            longest.turn_out()

    def leave(self, guest: Guest) -> None:
        """It has a stream now, or is gone; it need not be here."""
        self._guests.pop(guest, None)
