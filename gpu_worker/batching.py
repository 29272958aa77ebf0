"""Which ready lanes go into the next step: those that have waited longest, up to the batch.

Nothing waits for company: what is ready now runs now. A client that is far behind, such as a file
at full speed, takes its turn like every other and no more. One that has said `done` and waits for
its final is served as if it had waited longer: that shortens its wait and bounds everybody else's.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

HEAD_START: Final = 16
"""So many rounds longer a lane in a hurry counts as having waited."""


class RoundRobin:
    """Serves slots in the order in which they were served last."""

    __slots__ = ("_last_served", "_round")

    def __init__(self, slots: Collection[int]) -> None:
        self._last_served = dict.fromkeys(slots, 0)
        self._round = 0

    def choose(
        self, ready: Collection[int], limit: int, hurried: Collection[int] = ()
    ) -> list[int]:
        """At most ``limit`` of the ``ready`` slots, least recently served first."""

        def turn(slot: int) -> tuple[int, int]:
            return self._last_served[slot] - (HEAD_START if slot in hurried else 0), slot

        chosen = sorted(ready, key=turn)[:limit]
        self._round += 1
        for slot in chosen:
            self._last_served[slot] = self._round
        return chosen
