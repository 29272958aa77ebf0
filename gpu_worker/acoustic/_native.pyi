"""Layers in 8-bit integers, compiled; the sources are in native/."""

from collections.abc import Mapping, Sequence
from typing import Any, final

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

    def run(
        self, rows: NDArray[np.float32], out: NDArray[np.float32], activation: str = "none"
    ) -> None:
        """(rows, inputs) to ``out``, (rows, outputs), contiguous. Releases the GIL.

        Rows may lie anywhere, and overlap; each one's numbers lie side by side. ``activation`` is
        none, gelu or silu.

        Raises ValueError for other shapes or activations, and TypeError for other types.
        """

_Norm = tuple[NDArray[np.float32], NDArray[np.float32] | None]
_Linear = tuple[NDArray[np.float32], NDArray[np.float32]]

@final
class Transformer:
    """An encoder's layers, norms first, and the norm of what comes out of them."""

    def __init__(
        self,
        *,
        layers: Sequence[Mapping[str, Any]],
        norm: _Norm,
        width: int,
        heads: int,
        hidden: int,
        may_use_amx: bool = True,
    ) -> None:
        """Each layer has norm, query_key_value, joined, norm_mlp, in and out.

        A norm is a weight and a bias or None, a linear layer (outputs, inputs) and (outputs,).

        Raises ValueError for shapes that do not fit.
        """

    def run(
        self,
        x: NDArray[np.float32],
        out: NDArray[np.float32],
        *,
        begin: int = 0,
        heard: NDArray[np.bool_] | None = None,
        angles: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    ) -> None:
        """(batch, frames, width) to ``out``, (batch, wanted, width): frames from ``begin`` on.

        If its rows are twice as wide, what goes into the top layer comes first in each. ``heard``
        (batch, frames) marks what is attended to. ``angles`` (frames, head) are what a head's
        numbers are multiplied by, and what their neighbours are that are added. Releases the GIL.

        Raises ValueError for other shapes, and TypeError for other types.
        """

@final
class ConvolutionHead:
    """Blocks of depth-wise convolution with SiLU and feed-forward with SiLU, between two norms."""

    context: int
    """How many frames less come out."""

    def __init__(
        self,
        *,
        norm_in: _Norm,
        linear_in: _Linear,
        blocks: Sequence[Mapping[str, Any]],
        norm_out: _Norm,
        inputs: int,
        width: int,
        hidden: int,
        past: int,
        may_use_amx: bool = True,
    ) -> None:
        """Each block has norm, taps (taps, width), taps_bias (width,), norm_mlp, in and out.

        Of its taps, ``past`` come before the frame itself.

        Raises ValueError for shapes that do not fit.
        """

    def run(self, joined: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """(batch, frames, inputs) to (batch, frames - context, width). Releases the GIL.

        Raises ValueError for other shapes, and TypeError for other types.
        """
