"""A process's line in the plane: who it is, whether it is ready, when it last went round its loop.

Written by that process alone, and by its main loop, not by a thread: a stuck loop must look stuck.
Read by the supervisor and the inspector.
"""

from __future__ import annotations

import enum
import os
import time
from typing import Final

from shm import layout
from shm.plane import Plane
from shm.words import Words

STALE_AFTER_MS: Final = 10_000
"""A heartbeat older than this belongs to a stuck process. Every loop goes round far more often."""


class ProcessState(enum.IntEnum):
    ABSENT = 0
    STARTING = 1
    READY = 2


class ProcessLine:
    """Read or write one process line; ``offset`` from `Layout`."""

    __slots__ = ("_words",)

    def __init__(self, plane: Plane, offset: int) -> None:
        self._words: Words = plane.line(offset)

    def announce(self, generation: int) -> None:
        """The first thing a process does; ``generation`` counts its predecessors."""
        self._words[layout.PROCESS_STATE] = ProcessState.STARTING
        self._words[layout.PROCESS_PID] = os.getpid()
        self._words[layout.PROCESS_GENERATION] = generation
        self.beat()

    def ready(self) -> None:
        self.beat()
        self._words[layout.PROCESS_STATE] = ProcessState.READY

    def beat(self) -> None:
        """Once per round of the main loop."""
        self._words[layout.PROCESS_HEARTBEAT_NS] = time.monotonic_ns()
        self._words[layout.PROCESS_ROUNDS] = self._words[layout.PROCESS_ROUNDS] + 1

    def runs_on(self, cuda_index: int | None) -> None:
        """A worker says which device it chose; None is the CPU."""
        self._words[layout.PROCESS_DEVICE] = 0 if cuda_index is None else cuda_index + 1

    def could_step(self, streams: int) -> None:
        """A worker says how many streams its model alone could keep up with, as it measured."""
        self._words[layout.PROCESS_STREAMS] = streams

    def proven(self) -> None:
        """A second pass has gone round its loop, which may be what its predecessors died of."""
        self._words[layout.PROCESS_PROVEN] = self._words[layout.PROCESS_GENERATION]

    @property
    def failed_starts(self) -> int:
        """How many generations in a row have died before they were `proven`."""
        unproven = self._words[layout.PROCESS_GENERATION] - self._words[layout.PROCESS_PROVEN]
        return max(0, unproven - 1)  # the living one has not died

    @property
    def streams(self) -> int:
        """See `could_step`; 0 before it."""
        return self._words[layout.PROCESS_STREAMS]

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda:N``."""
        word = self._words[layout.PROCESS_DEVICE]
        return f"cuda:{word - 1}" if word else "cpu"

    @property
    def state(self) -> ProcessState:
        return ProcessState(self._words[layout.PROCESS_STATE])

    @property
    def pid(self) -> int:
        return self._words[layout.PROCESS_PID]

    @property
    def generation(self) -> int:
        return self._words[layout.PROCESS_GENERATION]

    @property
    def rounds(self) -> int:
        return self._words[layout.PROCESS_ROUNDS]

    def heartbeat_age_ms(self, now_ns: int) -> float:
        return (now_ns - self._words[layout.PROCESS_HEARTBEAT_NS]) / 1e6
