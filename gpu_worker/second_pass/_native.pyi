"""Moonshine's decoder, compiled; the sources are in native/."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]

@final
class Rows:
    """What is known of one utterance's frames, and of the texts so far: `TokenDecoder.begin`."""

    length: int
    """How many tokens each row has."""

    def follow(self, parents: NDArray[np.int64]) -> None:
        """Row i goes on from what was row ``parents[i]``, (rows,).

        Raises IndexError where there is no such row, and ValueError for another shape.
        """

@final
class TokenDecoder:
    """The network's second half, its linear layers in 8 bits. Not shared between threads."""

    def __init__(
        self,
        *,
        layers: Sequence[dict[str, Any]],
        embedding: _Floats,
        norm: _Floats,
        output: tuple[_Floats, _Floats],
        heads: int,
        rotated: int,
        rotation_base: float,
        hidden: int,
        max_tokens: int,
    ) -> None:
        """``embedding`` is (vocabulary, width).

        Each layer has norms ``norm_self``, ``norm_cross``, ``norm_mlp``, (width,), and pairs of a
        weight (outputs, inputs) and a bias (outputs,): ``query_key_value``, ``self_out``,
        ``cross_query``, ``cross_out``, ``gated_in``, ``out``.

        Raises ValueError for other shapes, and RuntimeError where the processor cannot.
        """

    def begin(self, keys: _Floats, values: _Floats, rows: int) -> Rows:
        """For frames whose keys and values are (layers, heads, head, frames), and 1 to 8 rows.

        Raises ValueError for other shapes.
        """

    def step(self, tokens: NDArray[np.int64], state: Rows, log_probs: _Floats) -> None:
        """The newest token of each row, (rows,), to ``log_probs`` of the next, (rows, vocabulary).

        Releases the GIL. Raises ValueError for other shapes or a text that is too long, and
        IndexError for a token that is none.
        """
