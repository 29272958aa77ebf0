"""Who is killed, when, and how long its place stays empty: seen in the plane, from outside."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shm.inspect import plane_of
from shm.process_line import ProcessLine, ProcessState

LOOK_S: Final = 0.002
KINDS: Final = ("worker", "decoder", "second pass")
"""Of which no client notices anything."""
FRONTEND: Final = "frontend"


@dataclass(slots=True)
class Kill:
    """One death, and after how long a successor was ready; None if none was by the end."""

    name: str
    number: signal.Signals
    back_after_s: float | None = None


class Killer:
    """Kills processes of the engine whose supervisor has this ``pid``, at random moments.

    ``stop_share`` of them are stopped instead (SIGSTOP): they hang, and it is the supervisor that
    has to notice.
    """

    def __init__(
        self, pid: int, kinds: Sequence[str], interval_s: float, stop_share: float, seed: int
    ) -> None:
        plane = plane_of(pid)
        geometry, offsets = plane.geometry, plane.layout
        places = {
            FRONTEND: (geometry.frontends, offsets.frontend_process),
            "worker": (geometry.workers, offsets.worker_process),
            "decoder": (geometry.decoders, offsets.decoder_process),
            "second pass": (geometry.second_passes, offsets.second_pass_process),
        }
        self._places = {
            f"{kind} {index}": ProcessLine(plane, places[kind][1](index))
            for kind in kinds
            for index in range(places[kind][0])
        }
        plane.close()  # the lines stay mapped
        self._interval_s = interval_s
        self._stop_share = stop_share
        self._random = random.Random(seed)
        self.kills: list[Kill] = []

    async def run(self, count: int) -> None:
        """Kills ``count`` times; the pauses between are exponential with the mean interval."""
        async with asyncio.TaskGroup() as watching:
            while len(self.kills) < count:
                await asyncio.sleep(self._random.expovariate(1 / self._interval_s))
                name = self._random.choice(list(self._places))
                stops = self._random.random() < self._stop_share
                kill = Kill(name, signal.SIGSTOP if stops else signal.SIGKILL)
                line = self._places[name]
                generation = line.generation
                try:
                    os.kill(line.pid, kill.number)
                except ProcessLookupError:
                    continue  # it is dead already, and its successor has not said its name
                self.kills.append(kill)
                watching.create_task(self._watch(kill, line, generation))

    async def _watch(self, kill: Kill, line: ProcessLine, generation: int) -> None:
        began_s = time.monotonic()
        while line.generation == generation or line.state is not ProcessState.READY:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(LOOK_S)
        kill.back_after_s = time.monotonic() - began_s
