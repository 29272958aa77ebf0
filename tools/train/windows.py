"""A segment cut into the windows that the engine serves, one for each of its chunks."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", np.int16, np.float32)


def cut(
    samples: NDArray[Sample], left_samples: int, chunk_samples: int, window_samples: int
) -> tuple[NDArray[Sample], NDArray[np.int64]]:
    """The windows of one segment (n,), with zeros around it, and where in each the segment lies.

    Returns:
        (windows, window_samples) samples, as many windows as the segment has begun chunks, at
        least one; and (windows, 2) spans: the first sample of the segment and the one after its
        last, within the window. A chunk begins ``left_samples`` after its window.
    """
    starts = range(0, max(len(samples), 1), chunk_samples)
    staged = np.zeros(left_samples + starts[-1] + window_samples, samples.dtype)
    staged[left_samples : left_samples + len(samples)] = samples
    windows = np.stack([staged[start : start + window_samples] for start in starts])
    begins = left_samples - np.array(starts)
    spans = np.stack([begins, begins + len(samples)], 1)
    return windows, spans.clip(0, window_samples)
