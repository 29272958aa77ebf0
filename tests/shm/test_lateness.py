"""Falling behind, told from sending fast: by when the audio that waits had come."""

from __future__ import annotations

import numpy as np
import pytest

from shm import layout
from shm.arrivals import Arrivals
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.lateness import LATE_S, Lateness
from shm.plane import Plane
from shm.slot_pool import SlotPool

SECOND_NS = 1_000_000_000


@pytest.fixture
def slot(plane: Plane, bells: Doorbells) -> FrontendSlot:
    claimed = SlotPool(plane, bells, 0).claim()
    assert claimed is not None
    return claimed


def send(plane: Plane, slot: FrontendSlot, seconds: float, pace: float) -> None:
    """Audio of so many seconds, which takes ``pace`` of its length to come."""
    rate_hz = plane.geometry.sample_rate_hz
    arrivals = Arrivals(plane, slot.slot)
    step = max(1, plane.geometry.frame_samples)
    for _ in range(round(seconds * rate_hz) // step):
        head = slot.audio_head
        at_ns = SECOND_NS + round(head / rate_hz * pace * SECOND_NS)
        arrivals.note(head, head + step, at_ns, at_ns)
        slot.write_audio(np.ones(step, np.int16))


def computed(plane: Plane, slot: FrontendSlot, seconds: float) -> None:
    line = plane.line(plane.layout.worker_line(slot.slot))
    line[layout.SLOT_POSITION_SAMPLES] = round(seconds * plane.geometry.sample_rate_hz)


def chunk_s(plane: Plane) -> float:
    return plane.geometry.chunk_samples / plane.geometry.sample_rate_hz


def test_who_is_behind_in_real_time_is_late(plane: Plane, slot: FrontendSlot) -> None:
    lateness = Lateness(plane)
    assert not lateness.is_late
    assert lateness.held == 1
    send(plane, slot, 2 * chunk_s(plane) + LATE_S, pace=1.0)
    assert lateness.is_late
    computed(plane, slot, 2 * chunk_s(plane))
    assert not lateness.is_late


def test_a_file_that_is_sent_at_once_is_not(plane: Plane, slot: FrontendSlot) -> None:
    send(plane, slot, 2 * chunk_s(plane) + LATE_S, pace=0.5)
    assert not Lateness(plane).is_late


def test_who_has_left_waits_for_nothing(plane: Plane, bells: Doorbells) -> None:
    pool = SlotPool(plane, bells, 0)
    slot = pool.claim()
    assert slot is not None
    send(plane, slot, 2 * chunk_s(plane) + LATE_S, pace=1.0)
    pool.release(slot)
    lateness = Lateness(plane)
    assert lateness.held == 0
    assert not lateness.is_late


def test_a_session_does_not_inherit_what_waited(plane: Plane, bells: Doorbells) -> None:
    pool = SlotPool(plane, bells, 0)
    first = pool.claim()
    assert first is not None
    send(plane, first, 2 * chunk_s(plane) + LATE_S, pace=1.0)
    pool.release(first)
    assert pool.claim() is not None
    assert not Lateness(plane).is_late
