"""Which numbers of streams a search tries, and what it finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.loadtest.search import PRECISION, Search


def tried(search: Search, capacity: int) -> list[int]:
    """The trials of a server that holds so many streams."""
    trials = []
    while (streams := search.streams) is not None:
        trials.append(streams)
        search.tell(streams, holds=streams <= capacity)
    return trials


@pytest.mark.parametrize(
    ("first", "most", "capacity", "trials"),
    [
        (6, 1000, 6, [6, 12, 9, 7]),
        (6, 1000, 20, [6, 12, 24, 18, 21, 19, 20]),
        (6, 1000, 2, [6, 3, 1, 2]),
        (6, 1000, 0, [6, 3, 1]),
        (6, 20, 100, [6, 12, 20]),
        (6, 4, 100, [4]),
        (1, 1, 0, [1]),
    ],
)
def test_twice_as_many_then_between(
    first: int, most: int, capacity: int, trials: list[int]
) -> None:
    search = Search(first, most)
    assert tried(search, capacity) == trials
    assert search.held == min(capacity, most)


@given(st.integers(1, 400), st.integers(1, 10_000), st.integers(0, 12_000))
def test_it_is_exact_to_one_part_in_fifty(first: int, most: int, capacity: int) -> None:
    search = Search(first, most)
    trials = tried(search, capacity)
    assert len(trials) == len(set(trials))
    assert max(trials) <= most
    wanted = min(capacity, most)
    assert wanted - max(0, wanted // PRECISION) <= search.held <= wanted
    assert search.missed is None or search.missed > capacity
