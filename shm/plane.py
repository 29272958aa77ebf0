"""The shared plane: one memfd, made by the supervisor, mapped by every child.

A memfd has no name, so nothing stays in /dev/shm whoever is killed, no resource tracker unlinks it,
and the size of a container's /dev/shm does not matter. Its pages are zero until touched, so an idle
slot costs no memory.

The descriptor also carries one lock per slot: a byte-range record lock that the kernel drops when
its holder dies, which is how a frontend claims a slot without anyone's help (see `frontend_slot`).
"""

from __future__ import annotations

import mmap
import os
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shm import layout
from shm.layout import Geometry, Layout
from shm.words import Words, words_of

NAME: Final = "realtime-engine-plane"


class PlaneError(Exception):
    """The descriptor holds no plane of this version."""


class Plane:
    """A mapping of the plane, and views of its parts."""

    __slots__ = ("_map", "_view", "fd", "header", "layout")

    def __init__(self, fd: int, plane_layout: Layout, *, writable: bool) -> None:
        self.fd = fd
        self.layout = plane_layout
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self._map = mmap.mmap(fd, plane_layout.total, access=access)
        self._view = memoryview(self._map)
        self.header = self.words(0, layout.LINE_WORDS)

    @classmethod
    def create(cls, geometry: Geometry) -> Plane:
        """A new zeroed plane, owned by this process, the supervisor.

        Raises:
            PlaneError: the kernel has no memory for it; the message says how much it takes.
        """
        plane_layout = Layout(geometry)
        fd = os.memfd_create(NAME, os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, plane_layout.total)
            plane = cls(fd, plane_layout, writable=True)
        except OSError as error:
            os.close(fd)
            raise PlaneError(
                f"cannot map {plane_layout.total >> 20} MiB of shared memory for "
                f"{geometry.slots} slots ({error.strerror}); use fewer slots"
            ) from error
        for index, word in enumerate(layout.geometry_words(geometry)):
            plane.header[layout.HEADER_GEOMETRY + index] = word
        plane.header[layout.HEADER_VERSION] = layout.LAYOUT_VERSION
        plane.header[layout.HEADER_SUPERVISOR_PID] = os.getpid()
        plane.header[layout.HEADER_STARTED_NS] = time.monotonic_ns()
        plane.header[layout.HEADER_MAGIC] = layout.MAGIC
        return plane

    @classmethod
    def attach(cls, fd: int, *, writable: bool = True) -> Plane:
        """The plane behind an inherited descriptor, its geometry read from its header.

        Raises:
            PlaneError: not a plane, or one of another version.
        """
        header = os.pread(fd, layout.LINE_BYTES, 0)
        words = memoryview(header).cast("Q") if len(header) == layout.LINE_BYTES else None
        if words is None or words[layout.HEADER_MAGIC] != layout.MAGIC:
            raise PlaneError(f"descriptor {fd} is not a plane of this engine")
        if words[layout.HEADER_VERSION] != layout.LAYOUT_VERSION:
            raise PlaneError(
                f"the plane has layout version {words[layout.HEADER_VERSION]}, this program "
                f"reads version {layout.LAYOUT_VERSION}: use the version that started the engine"
            )
        start = layout.HEADER_GEOMETRY
        geometry = Geometry(*words[start : start + layout.GEOMETRY_FIELDS])
        return cls(fd, Layout(geometry), writable=writable)

    @property
    def geometry(self) -> Geometry:
        return self.layout.geometry

    @property
    def shutting_down(self) -> bool:
        return self.header[layout.HEADER_SHUTDOWN] != 0

    @property
    def failing(self) -> bool:
        """Whether a process of the engine ends again and again, so that clients wait in vain."""
        return self.header[layout.HEADER_FAILING] != 0

    def set_failing(self, failing: bool) -> None:
        """For the supervisor."""
        self.header[layout.HEADER_FAILING] = failing

    def close(self) -> None:
        """Closes the descriptor. The mapping goes when the last view of it does."""
        os.close(self.fd)

    def words(self, offset: int, count: int) -> Words:
        view = self._view[offset : offset + 8 * count]
        return view.cast("Q") if view.readonly else words_of(view)

    def line(self, offset: int) -> Words:
        return self.words(offset, layout.LINE_WORDS)

    def bytes(self, offset: int, count: int) -> memoryview:
        return self._view[offset : offset + count]

    def audio_ring(self, slot: int) -> NDArray[np.int16]:
        """A slot's audio ring, (ring_samples,) int16."""
        samples = self.geometry.ring_samples
        return np.frombuffer(self._view, np.int16, samples, self.layout.audio_ring(slot))
