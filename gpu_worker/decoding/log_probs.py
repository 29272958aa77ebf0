"""Log-probabilities as pyctcdecode 0.5.0 sees them, to the last bit: normalised, clipped."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_FLOOR: Final = np.float32(np.log(1e-15))


def renormalised(log_probs: NDArray[Any], width: int) -> NDArray[np.float32]:
    """The frames' log-softmax in float32, between log(1e-15) and 0; (frames, width) both ways.

    Raises ValueError for another shape and for NaN.
    """
    rows = np.asarray(log_probs, np.float32)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"log-probabilities must be (frames, {width}), not {rows.shape}")
    if np.isnan(rows).any():
        raise ValueError("log-probabilities hold NaN; the acoustic model must give numbers")
    highest = rows.max(axis=1, keepdims=True, initial=-np.inf)
    shifted = rows - np.where(np.isfinite(highest), highest, np.float32(0))
    with np.errstate(divide="ignore"):  # a frame of -inf throughout
        totals = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    clipped: NDArray[np.float32] = np.clip(shifted - totals, _FLOOR, np.float32(0))
    return clipped
