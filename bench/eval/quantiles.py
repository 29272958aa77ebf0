"""Median and 90th percentile of a list of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Quantiles:
    """In the unit of the figures that they summarise."""

    count: int
    median: float
    p90: float

    def as_json(self) -> dict[str, float]:
        """As JSON holds it."""
        return asdict(self)


def quantiles(figures: Sequence[float]) -> Quantiles | None:
    """None of no figures."""
    if not figures:
        return None
    median, p90 = np.percentile(np.asarray(figures), [50, 90])
    return Quantiles(len(figures), float(median), float(p90))
