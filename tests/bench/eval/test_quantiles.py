"""Median and 90th percentile."""

from __future__ import annotations

from bench.eval.quantiles import Quantiles, quantiles


def test_quantiles() -> None:
    assert quantiles(list(range(11))) == Quantiles(11, 5.0, 9.0)
    assert quantiles([]) is None
