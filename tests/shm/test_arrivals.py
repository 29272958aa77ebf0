"""The time at which audio arrived is found again by its samples."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm.arrivals import Arrivals
from shm.plane import Plane
from tests.shm.planes import SMALL

FRAME = SMALL.frame_samples


@pytest.fixture
def arrivals(plane: Plane) -> Arrivals:
    return Arrivals(plane, 1)


@given(
    base=st.integers(0, 10 * SMALL.ring_samples),
    messages=st.lists(st.integers(1, 5 * FRAME), min_size=1, max_size=50),
)
def test_audio_is_told_to_have_arrived_with_its_message_or_its_frames_first(
    base: int, messages: list[int]
) -> None:
    plane = Plane.create(SMALL)
    try:
        arrivals = Arrivals(plane, 0)
        arrivals.begin(base, now_ns=1)
        heads = [base]
        for number, count in enumerate(messages):
            arrivals.note(heads[-1], heads[-1] + count, 1000 * (number + 1), 1000 * number + 1001)
            heads.append(heads[-1] + count)
        for number, (begin, end) in enumerate(pairwise(heads)):
            found = arrivals.of(end).received_ns
            first_of_frame = max(base, (end - 1) // FRAME * FRAME)
            if first_of_frame >= begin:
                assert found == (1000 * (number + 1) if first_of_frame > base or base % FRAME == 0
                                 else 1)  # fmt: skip
            else:
                assert found < 1000 * (number + 1)
    finally:
        plane.close()


def test_a_session_does_not_see_the_times_of_the_last_one(arrivals: Arrivals) -> None:
    arrivals.begin(0, now_ns=1)
    arrivals.note(0, FRAME + 3, 10, 10)
    arrivals.begin(FRAME + 3, now_ns=9000)
    arrivals.note(FRAME + 3, FRAME + 5, 9500, 9501)
    assert arrivals.of(FRAME + 5) == (9000, 9000)


def test_a_whole_ring_of_audio_keeps_its_times(arrivals: Arrivals) -> None:
    start = 7 * SMALL.ring_samples
    arrivals.begin(start, now_ns=1)
    for number, begin in enumerate(range(start, start + SMALL.ring_samples, FRAME)):
        end = min(begin + FRAME, start + SMALL.ring_samples)
        arrivals.note(begin, end, number + 1, number + 2)
    assert arrivals.of(start + FRAME) == (1, 2)
    last_frame = (start + SMALL.ring_samples - 1) // FRAME * FRAME
    number = (last_frame - start) // FRAME
    assert arrivals.of(start + SMALL.ring_samples) == (number + 1, number + 2)


def test_slots_have_times_of_their_own(plane: Plane, arrivals: Arrivals) -> None:
    arrivals.begin(0, now_ns=1)
    arrivals.note(0, 5, 10, 11)
    assert [Arrivals(plane, slot).of(5) for slot in range(3)] == [(0, 0), (10, 11), (0, 0)]
