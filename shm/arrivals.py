"""When the audio of a slot arrived: a ring of two times for each frame of the audio ring.

Written by the frontend with the audio, read by the worker that wants to know how long the audio of
a chunk had to wait: when its bytes came from the socket, and when it went into the ring. For the
latency figures alone: nothing is decided by them. The times are those of the frame's first sample,
so a chunk's wait is told at most one message too long.
"""

from __future__ import annotations

from typing import NamedTuple

from shm.plane import Plane
from shm.words import Words


class Arrival(NamedTuple):
    """Monotonic times in ns; 0 where nobody noted any."""

    received_ns: int
    ringed_ns: int


class Arrivals:
    """The arrival times of one slot. Samples count from the slot's first."""

    __slots__ = ("_frame_samples", "_mask", "_words")

    def __init__(self, plane: Plane, slot: int) -> None:
        geometry = plane.geometry
        count = geometry.arrivals
        self._words: Words = plane.words(plane.layout.arrival_ring(slot), 2 * count)
        self._mask = count - 1
        self._frame_samples = geometry.frame_samples

    def begin(self, sample: int, now_ns: int) -> None:
        """A session begins at ``sample``, maybe within a frame of the last session."""
        self._write(sample // self._frame_samples, now_ns, now_ns)

    def note(self, begin: int, end: int, received_ns: int, ringed_ns: int) -> None:
        """Samples ``begin`` to ``end`` go into the ring now. Call before they are published."""
        first = -(-begin // self._frame_samples)
        for frame in range(first, -(-end // self._frame_samples)):
            self._write(frame, received_ns, ringed_ns)

    def of(self, sample: int) -> Arrival:
        """When the audio before ``sample`` was there."""
        at = 2 * ((sample - 1) // self._frame_samples & self._mask)
        return Arrival(self._words[at], self._words[at + 1])

    def _write(self, frame: int, received_ns: int, ringed_ns: int) -> None:
        at = 2 * (frame & self._mask)
        self._words[at] = received_ns
        self._words[at + 1] = ringed_ns
