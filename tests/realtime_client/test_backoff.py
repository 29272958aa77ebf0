"""realtime_client/backoff.py: how long it waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_client.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(attempts=5, first_s=1.0, longest_s=5.0, random=lambda: 0.0)
    assert list(backoff.delays_s()) == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_each_is_shortened_by_its_own_number() -> None:
    numbers = iter([0.0, 0.5, 1.0])
    backoff = Backoff(attempts=3, first_s=1.0, random=lambda: next(numbers))
    assert list(backoff.delays_s()) == [1.0, 1.5, 2.0]


@given(st.integers(1, 50), st.floats(0.01, 10), st.floats(10, 100))
def test_bounds(attempts: int, first_s: float, longest_s: float) -> None:
    delays_s = list(Backoff(attempts, first_s, longest_s).delays_s())
    assert len(delays_s) == attempts
    assert all(first_s / 2 <= delay_s <= longest_s for delay_s in delays_s)


def test_the_default_is_about_two_minutes() -> None:
    longest = Backoff(random=lambda: 0.0)
    assert 90 <= sum(longest.delays_s()) <= 180


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"attempts": 0}, "attempts must be 1 or more, not 0"),
        ({"first_s": 0.0}, "first_s must be more than 0"),
        ({"first_s": 2.0, "longest_s": 1.0}, "not more than longest_s, not 2 with longest_s 1"),
    ],
)
def test_bad_options(options: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Backoff(**options)  # type: ignore[arg-type]
