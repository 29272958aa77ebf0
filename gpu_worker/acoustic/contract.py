"""What every acoustic model is to the worker: one step over a batch of windows.

A windowed model is a function of its windows. A cache-aware one keeps a row of state per slot on
its device and is told which rows a step touches and which of them begin a segment; everything else
of the worker is the same for both.
"""

from __future__ import annotations

from typing import Protocol

import torch


class AcousticModel(Protocol):
    """A model on its device, ready to step."""

    def step(
        self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        """Log-probabilities of one chunk for each item of a batch.

        Args:
            pcm: (batch, window_samples) int16; samples outside ``span`` are zeros.
            span: (batch, 2) int64, where in its window the segment begins and ends, exclusive.
                It ends at ``window_samples`` while the segment goes on.
            rows: (batch,) int64, each item's row of state; row 0 is for padding.
            first: (batch,) bool, true where the chunk is the first of its segment.

        Returns:
            (batch, chunk_frames, vocabulary) float32, natural logarithms.
        """
        ...
