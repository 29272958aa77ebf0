"""What a link tells its frontends, in its process line: model servers, and room on them.

Written by the link alone. A link that died leaves its last words: streams that are let in by them
wait in the plane for its successor.
"""

from __future__ import annotations

from dataclasses import dataclass

from shm import layout
from shm.plane import Plane
from shm.process_line import ProcessLine, ProcessState
from shm.words import Words


@dataclass(frozen=True, slots=True)
class LinkView:
    """``servers`` that the link is connected to, and how many streams of this machine's fit."""

    servers: int
    capacity: int
    round_trip_s: float


class LinkLine:
    """Reads or writes the words."""

    __slots__ = ("_process", "_words")

    def __init__(self, plane: Plane) -> None:
        self._process = ProcessLine(plane, plane.layout.link_process)
        self._words: Words = plane.line(plane.layout.link_process)

    def tell(self, servers: int, capacity: int) -> None:
        """For the link alone. Whoever is let in between the two words waits for a slot."""
        self._words[layout.LINK_CAPACITY] = capacity
        self._words[layout.LINK_SERVERS] = servers

    def took(self, round_trip_s: float) -> None:
        """For the link alone: a model server has answered a ping."""
        self._words[layout.LINK_ROUND_TRIP_US] = round(round_trip_s * 1e6)

    def view(self) -> LinkView | None:
        """None where there is no link: the model is on this machine."""
        if self._process.state is ProcessState.ABSENT:
            return None
        return LinkView(
            self._words[layout.LINK_SERVERS],
            self._words[layout.LINK_CAPACITY],
            self._words[layout.LINK_ROUND_TRIP_US] / 1e6,
        )
