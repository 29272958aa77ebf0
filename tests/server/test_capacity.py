"""Streams let in at once, on trial, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.capacity import REST_S, TRIAL_S, Capacity


def test_as_many_as_are_known_come_at_once() -> None:
    capacity = Capacity(known=8, most=20)
    for held in range(8):
        assert capacity.admits(held, now_s=0.0)
        capacity.let_in(held + 1, now_s=0.0)


def test_beyond_that_one_at_a_time() -> None:
    capacity = Capacity(known=8, most=20)
    assert capacity.admits(8, now_s=0.0)
    capacity.let_in(9, now_s=0.0)
    assert not capacity.admits(9, now_s=TRIAL_S - 0.1)
    capacity.observe(9, now_s=TRIAL_S, late=False)
    assert capacity.known == 9
    assert capacity.admits(9, now_s=TRIAL_S)


def test_a_trial_must_end_before_it_counts() -> None:
    capacity = Capacity(known=8, most=20)
    capacity.let_in(9, now_s=0.0)
    capacity.observe(9, now_s=TRIAL_S / 2, late=False)
    assert capacity.known == 8


def test_never_more_than_there_are_slots() -> None:
    capacity = Capacity(known=30, most=20)
    assert capacity.known == 20
    assert not capacity.admits(20, now_s=100.0)


def test_falling_behind_takes_back_and_lets_nobody_in() -> None:
    capacity = Capacity(known=20, most=40)
    capacity.observe(20, now_s=0.0, late=True)
    assert capacity.known == 18
    assert not capacity.admits(20, now_s=REST_S - 0.1)
    assert not capacity.admits(3, now_s=REST_S - 0.1)
    assert capacity.admits(3, now_s=REST_S)
    assert capacity.admits(18, now_s=REST_S), "on trial"
    capacity.observe(20, now_s=1.0, late=True)
    assert capacity.known == 18, "once for one time of falling behind"
    assert not capacity.admits(3, now_s=REST_S + 0.9), "which has not ended"


def test_one_stream_is_always_let_in() -> None:
    capacity = Capacity(known=0, most=3)
    for now_s in range(0, 500, 20):
        capacity.observe(0, now_s=float(now_s), late=True)
    assert capacity.admits(0, now_s=600.0)


@given(holds=st.integers(2, 60), estimate=st.floats(0.1, 2.0))
def test_it_finds_what_a_machine_holds(holds: int, estimate: float) -> None:
    """A machine that falls behind with more than ``holds``, offered ten times that."""
    capacity, held = Capacity(round(estimate * holds), most=200), 0
    for now_s in range(3000):
        while held < 10 * holds and capacity.admits(held, float(now_s)):
            held += 1
            capacity.let_in(held, float(now_s))
        capacity.observe(held, float(now_s), late=held > holds)
        if held > holds and now_s % 10 == 0:
            held -= 1  # somebody ends
    assert held == pytest.approx(holds, abs=max(2, 0.1 * holds))
