"""When the audio of a slot arrived: a ring of times, one for each frame of the audio ring.

Written by the frontend with the audio, read by the worker that wants to know how long the audio of
a chunk had to wait. For the latency figures alone: nothing is decided by them. A time is that of
the frame's first sample, so a chunk's wait is told at most one message too long.
"""

from __future__ import annotations

from shm.plane import Plane
from shm.words import Words


class Arrivals:
    """The arrival times of one slot. Samples count from the slot's first, times are monotonic."""

    __slots__ = ("_frame_samples", "_mask", "_words")

    def __init__(self, plane: Plane, slot: int) -> None:
        geometry = plane.geometry
        count = geometry.arrival_words
        self._words: Words = plane.words(plane.layout.arrival_ring(slot), count)
        self._mask = count - 1
        self._frame_samples = geometry.frame_samples

    def begin(self, sample: int, now_ns: int) -> None:
        """A session begins at ``sample``, maybe within a frame of the last session."""
        self._words[sample // self._frame_samples & self._mask] = now_ns

    def note(self, begin: int, end: int, now_ns: int) -> None:
        """The samples from ``begin`` up to ``end`` arrive now. Call before they are published."""
        first = -(-begin // self._frame_samples)
        for frame in range(first, -(-end // self._frame_samples)):
            self._words[frame & self._mask] = now_ns

    def arrived_ns(self, sample: int) -> int:
        """When the audio before ``sample`` was there."""
        return self._words[(sample - 1) // self._frame_samples & self._mask]
