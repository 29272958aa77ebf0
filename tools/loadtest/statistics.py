"""Percentiles by the nearest-rank rule: always a value that was measured, never one in between.

With few samples this is the severe reading: the p99 of fewer than 100 samples is their largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """The row of the table for one measure, in its unit."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that at least `percent` % (1 to 100) of the values do not exceed.

    `ordered` is ascending and not empty.
    """
    assert ordered
    assert 1 <= percent <= 100
    rank = -(-percent * len(ordered) // 100)
    return ordered[rank - 1]


def summarise(values: Iterable[float]) -> Summary | None:
    """None where there is nothing to summarise."""
    ordered = sorted(values)
    if not ordered:
        return None
    return Summary(
        len(ordered),
        percentile(ordered, 50),
        percentile(ordered, 95),
        percentile(ordered, 99),
        ordered[-1],
    )
