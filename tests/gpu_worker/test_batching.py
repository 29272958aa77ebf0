from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.batching import HEAD_START, RoundRobin

SLOTS = range(5)
rounds = st.lists(
    st.tuples(st.sets(st.sampled_from(SLOTS)), st.integers(0, 6)), min_size=1, max_size=30
)


@given(rounds=rounds)
def test_as_many_as_fit_are_chosen_of_the_ready_and_each_once(
    rounds: list[tuple[set[int], int]],
) -> None:
    order = RoundRobin(SLOTS)
    for ready, limit in rounds:
        chosen = order.choose(ready, limit)
        assert len(chosen) == min(limit, len(ready))
        assert len(set(chosen)) == len(chosen)
        assert set(chosen) <= ready


@given(rounds=rounds)
def test_nobody_who_is_ready_is_served_twice_before_another(
    rounds: list[tuple[set[int], int]],
) -> None:
    """Slot 0 is always ready: between two turns of any other, it has at least one."""
    order = RoundRobin(SLOTS)
    since_mine: Counter[int] = Counter()
    for others, limit in rounds:
        chosen = order.choose(others | {0}, max(1, limit))
        if 0 in chosen:
            since_mine.clear()
        else:
            since_mine.update(chosen)
            assert max(since_mine.values()) == 1


def test_a_stream_far_behind_takes_turns_with_the_others() -> None:
    order = RoundRobin(SLOTS)
    chosen = [order.choose({0, 1, 2}, 2) for _ in range(3)]
    assert chosen == [[0, 1], [2, 0], [1, 0]]


def test_who_waited_longest_goes_first() -> None:
    order = RoundRobin(SLOTS)
    order.choose({3}, 1)
    order.choose({1}, 1)
    assert order.choose({1, 3, 4}, 3) == [4, 3, 1]


def test_nobody_ready_is_nobody_chosen() -> None:
    assert RoundRobin(SLOTS).choose([], 4) == []


def test_a_lane_in_a_hurry_goes_first() -> None:
    order = RoundRobin(SLOTS)
    for slot in (3, 0, 1, 2, 4):
        order.choose({slot}, 1)
    assert order.choose({0, 2, 4}, 2, {4}) == [4, 0]


def test_lanes_in_a_hurry_all_the_time_keep_nobody_waiting_for_long() -> None:
    order = RoundRobin(SLOTS)
    order.choose({0}, 1)
    waited = 0
    while order.choose(SLOTS, 1, {1, 2, 3, 4}) != [0]:
        waited += 1
        assert waited <= HEAD_START + len(SLOTS)
    assert waited
