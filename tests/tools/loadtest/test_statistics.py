from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tools.loadtest.statistics import percentile, summarise

VALUES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300)


@given(VALUES, st.integers(1, 100))
def test_percentiles_are_numpys_inverted_cdf(values: list[float], percent: int) -> None:
    # A whole-number reference for the rank: numpy's own falls for the rounding of percent / 100.
    ordered = np.sort(values)
    share = np.arange(1, len(values) + 1) * 100 >= percent * len(values)
    assert percentile(ordered.tolist(), percent) == ordered[share][0]


def test_a_known_case_agrees_with_numpy() -> None:
    values = [float(value) for value in range(1, 201)]
    for percent in (50, 95, 99, 100):
        expected = np.percentile(values, percent, method="inverted_cdf")
        assert percentile(values, percent) == expected


@given(VALUES)
def test_a_summary_is_ordered_and_made_of_measured_values(values: list[float]) -> None:
    summary = summarise(values)
    assert summary is not None
    assert summary.count == len(values)
    assert min(values) <= summary.p50 <= summary.p95 <= summary.p99 <= summary.max == max(values)
    assert {summary.p50, summary.p95, summary.p99} <= set(values)


def test_few_values_are_read_severely() -> None:
    summary = summarise(range(1, 61))
    assert summary is not None
    assert summary.p99 == 60


def test_nothing_has_no_summary() -> None:
    assert summarise([]) is None
