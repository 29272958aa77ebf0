"""Whether what processes hold grows over hours: least values early and late, and a slope.

Memory goes up and down with the load, so the least value of a stretch is compared: what a process
can still come back to. A leak lifts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.footprint import GROWTH_ALLOWANCE_KIB, Holding, Holdings

WARM_UP: Final = 0.1
"""Share of the samples that come before anything is compared."""
HELD: Final[dict[str, tuple[Callable[[Holding], int], int]]] = {
    "private KiB": (lambda holding: holding.private_kib, GROWTH_ALLOWANCE_KIB),
    "threads": (lambda holding: holding.threads, 0),
    "descriptors": (lambda holding: holding.descriptors, 0),
}
"""What is watched of a process, and how much more it may come to hold."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What every process held, so many seconds after the start."""

    at_s: float
    holdings: Holdings


@dataclass(frozen=True, slots=True)
class Growth:
    """One figure of one process: its least value in the first and in the last third."""

    process: str
    held: str
    first: int
    last: int
    slope_per_hour: float
    """Of the straight line through all samples (least squares)."""

    @property
    def is_too_much(self) -> bool:
        return self.last - self.first > HELD[self.held][1]


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """One for each process that was there all the time, and each figure.

    Raises:
        ValueError: fewer than nine samples, which say nothing.
    """
    settled = after_warm_up(samples)
    times_h = np.array([sample.at_s / 3600 for sample in settled])
    third = len(settled) // 3
    found = []
    for process in sorted(_always_there(settled)):
        for held, (value, _) in HELD.items():
            values = np.array([value(sample.holdings[process]) for sample in settled])
            slope = float(np.polyfit(times_h, values, 1)[0])
            least = int(values[:third].min()), int(values[-third:].min())
            found.append(Growth(process, held, *least, slope))
    return found


def came_or_went(samples: Sequence[Sample]) -> list[str]:
    """The processes that were not there all the time after the warm-up."""
    settled = after_warm_up(samples)
    ever = {process for sample in settled for process in sample.holdings}
    return sorted(ever - _always_there(settled))


def _always_there(samples: Sequence[Sample]) -> set[str]:
    there = set(samples[0].holdings)
    for sample in samples:
        there &= set(sample.holdings)
    return there


def after_warm_up(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Raises ValueError if nine samples or fewer would be left."""
    settled = samples[round(WARM_UP * len(samples)) :]
    if len(settled) < 9:
        raise ValueError(f"{len(settled)} samples after the warm-up: at least 9 are needed")
    return settled
