from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from shm import layout
from shm.layout import Geometry
from shm.plane import NAME, Plane, PlaneError
from tests.shm.planes import SMALL


def test_a_child_reads_the_geometry_from_the_descriptor(plane: Plane) -> None:
    child = Plane.attach(plane.fd)
    assert child.geometry == SMALL
    assert child.header[layout.HEADER_SUPERVISOR_PID] == os.getpid()


def test_a_child_reads_that_there_is_no_second_pass() -> None:
    without = replace(SMALL, second_passes=0)
    plane = Plane.create(without)
    assert Plane.attach(plane.fd).geometry == without
    plane.close()


def test_all_mappings_are_the_same_memory(plane: Plane) -> None:
    child = Plane.attach(plane.fd)
    plane.line(plane.layout.worker_line(1))[3] = 77
    assert child.line(child.layout.worker_line(1))[3] == 77
    child.audio_ring(2)[[0, -1]] = (-5, 6)
    assert plane.audio_ring(2)[[0, -1]].tolist() == [-5, 6]
    assert not plane.audio_ring(1).any(), "another slot's ring"


def test_a_new_plane_is_zero_but_for_its_header(plane: Plane) -> None:
    everything = np.frombuffer(plane.bytes(0, plane.layout.total), np.uint8)
    assert not everything[layout.LINE_BYTES :].any()
    assert everything.size == plane.layout.total


def test_views_end_with_their_part(plane: Plane) -> None:
    assert plane.audio_ring(0).shape == (SMALL.ring_samples,)
    assert plane.bytes(layout.PAGE_BYTES, 24).nbytes == 24
    with pytest.raises(IndexError):
        plane.line(0)[layout.LINE_WORDS]


def test_shutdown_and_failure_are_seen(plane: Plane) -> None:
    child = Plane.attach(plane.fd)
    assert not child.shutting_down
    plane.header[layout.HEADER_SHUTDOWN] = 1
    assert child.shutting_down
    for failing in (True, False):
        plane.set_failing(failing)
        assert child.failing is failing


def test_a_read_only_mapping_cannot_be_written(plane: Plane) -> None:
    looking = Plane.attach(plane.fd, writable=False)
    plane.line(plane.layout.worker_line(0))[0] = 9
    assert looking.line(looking.layout.worker_line(0))[0] == 9
    with pytest.raises(TypeError):
        looking.line(looking.layout.worker_line(0))[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        looking.audio_ring(0)[0] = 1


def test_the_plane_has_a_name_for_the_inspector_and_no_file(plane: Plane) -> None:
    assert os.readlink(f"/proc/self/fd/{plane.fd}") == f"/memfd:{NAME} (deleted)"
    assert not os.path.exists(f"/dev/shm/{NAME}")


def test_the_mapping_outlives_the_descriptor() -> None:
    plane = Plane.create(SMALL)
    line = plane.line(plane.layout.worker_line(0))
    plane.close()
    line[0] = 4
    assert line[0] == 4


def test_a_descriptor_of_something_else_is_refused() -> None:
    fd = os.memfd_create("something else")
    try:
        with pytest.raises(PlaneError, match=rf"^descriptor {fd} is not a plane of this engine$"):
            Plane.attach(fd)
        os.ftruncate(fd, 4096)
        with pytest.raises(PlaneError, match="is not a plane"):
            Plane.attach(fd)
    finally:
        os.close(fd)


def test_another_version_is_refused_with_both_versions(plane: Plane) -> None:
    plane.header[layout.HEADER_VERSION] = 99
    with pytest.raises(PlaneError, match=f"version 99, .* version {layout.LAYOUT_VERSION}:"):
        Plane.attach(plane.fd)


def test_a_plane_beyond_the_address_space_says_how_much_it_would_take() -> None:
    enormous = replace(SMALL, slots=layout.MAX_SLOTS, frame_samples=1, sample_rate_hz=192_000)
    enormous = replace(enormous, chunk_frames=4096, vocabulary_size=65_536)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(PlaneError, match=r"cannot map \d+ MiB .* for 4096 slots .* fewer slots"):
        Plane.create(enormous)
    assert os.listdir("/proc/self/fd") == before, "no descriptor is left"


def test_the_pages_of_an_idle_slot_cost_nothing() -> None:
    many = Geometry(64, 1, 1, 1, 16_000, 16, 640, 29)
    plane = Plane.create(many)
    assert plane.layout.total > 100 << 20
    assert os.fstat(plane.fd).st_blocks * 512 < 1 << 20
    plane.close()
