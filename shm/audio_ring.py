"""Copying samples into and out of a slot's ring, around its end.

Indices count samples since the plane was made; they only grow, and a mask wraps them.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.int16]


def copy_in(ring: Samples, start: int, samples: Samples) -> None:
    """Writes ``samples`` (n,) at absolute index ``start`` of ``ring`` (a power of two long)."""
    size = ring.shape[0]
    assert samples.shape[0] <= size, "a write fits its ring"
    at = start & (size - 1)
    first = min(size - at, samples.shape[0])
    ring[at : at + first] = samples[:first]
    ring[: samples.shape[0] - first] = samples[first:]


def copy_out(ring: Samples, start: int, out: Samples) -> None:
    """Fills ``out`` (n,) from absolute index ``start`` of ``ring``."""
    size = ring.shape[0]
    assert out.shape[0] <= size, "a read fits its ring"
    at = start & (size - 1)
    first = min(size - at, out.shape[0])
    out[:first] = ring[at : at + first]
    out[first:] = ring[: out.shape[0] - first]
