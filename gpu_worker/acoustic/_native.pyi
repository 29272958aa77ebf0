"""Layers in 8-bit integers, compiled; the sources are in native/."""

from typing import final

import numpy as np
from numpy.typing import NDArray

def int8_is_supported() -> bool:
    """Whether this processor has AVX-512 VNNI."""

def amx_is_supported() -> bool:
    """Whether it has AMX for 8 bits besides, and the kernel lets this process use it."""

@final
class Int8Linear:
    """A linear layer whose weights were rounded to 8 bits."""

    def __init__(
        self, *, weight: NDArray[np.float32], bias: NDArray[np.float32], may_use_amx: bool = True
    ) -> None:
        """Weights are (outputs, inputs), bias (outputs,).

        With AMX where there is, if it may be used: the same bits, sooner.

        Raises RuntimeError where the processor cannot, and ValueError for other shapes.
        """

    def run(self, rows: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """(rows, inputs) to ``out``, (rows, outputs); both contiguous. Releases the GIL.

        Raises ValueError for other shapes, and TypeError for other types.
        """
