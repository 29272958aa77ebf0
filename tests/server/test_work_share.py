"""How long a connection rests for what its bytes have cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.work_share import (
    BURST_S,
    DEAR_S,
    FIRST_PIECE_BYTES,
    LEAST_PIECE_BYTES,
    MOST_PIECE_BYTES,
    SHARE,
    WorkShare,
)


def test_a_client_in_real_time_never_rests() -> None:
    share = WorkShare(0.0)
    assert not any(share.spend(0.0005, 0.128 * number) for number in range(1000))


def test_who_has_overdrawn_rests_until_it_is_level() -> None:
    share = WorkShare(10.0)
    assert share.spend(BURST_S, 10.0) == 0
    rest_s = share.spend(0.002, 10.0)
    assert rest_s == pytest.approx(0.002 / SHARE)
    assert share.spend(0.0, 10.0 + rest_s) == pytest.approx(0)
    assert share.spend(0.001, 10.0 + rest_s + 0.001 / SHARE) == pytest.approx(0)


def test_nobody_saves_for_more_than_a_burst() -> None:
    share = WorkShare(0.0)
    assert share.spend(BURST_S, 1000.0) == 0
    assert share.spend(0.001, 1000.0) > 0


@given(st.lists(st.floats(0, 0.1), min_size=1))
def test_with_all_rests_kept_it_is_a_share_of_the_time_and_a_burst(costs: list[float]) -> None:
    share, now_s = WorkShare(0.0), 0.0
    for cost_s in costs:
        now_s += share.spend(cost_s, now_s)
    assert sum(costs) <= SHARE * now_s + BURST_S + 1e-9


def test_pieces_are_as_large_as_is_cheap() -> None:
    share = WorkShare(0.0)
    assert share.piece_bytes == FIRST_PIECE_BYTES
    for _ in range(10):
        share.spend(0.0, 0.0)
    assert share.piece_bytes == MOST_PIECE_BYTES
    for _ in range(10):
        share.spend(2 * DEAR_S, 0.0)
    assert share.piece_bytes == LEAST_PIECE_BYTES
    share.spend(DEAR_S / 2, 0.0)
    assert share.piece_bytes == LEAST_PIECE_BYTES
