"""A step's work, against what can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from bench.counting import counted
from gpu_worker.acoustic.echo import Echo
from tests.gpu_worker.tiny import TINY

INPUTS, OUTPUTS = TINY.window_samples, TINY.chunk_frames * len(TINY.vocabulary)


class OneLayer(nn.Module):
    """A matrix over the whole window."""

    state_bytes = 1000

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(INPUTS, OUTPUTS, bias=False)

    def step(
        self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        out: torch.Tensor = self.layer(pcm.float())
        return out.view(-1, TINY.chunk_frames, len(TINY.vocabulary))


def test_a_matrix_is_two_operations_for_each_number_of_it() -> None:
    found = counted(OneLayer(), TINY)
    assert found.row_operations == 2 * INPUTS * OUTPUTS
    assert found.once_operations == 0
    assert found.weights_bytes == 4 * INPUTS * OUTPUTS
    assert found.row_bytes == 2 * INPUTS + 4 * OUTPUTS + 2 * 1000
    assert found.calls == 2, "to float, and the product; the rest are views"
    assert found.passed_once_bytes == found.weights_bytes
    assert found.passed_row_bytes == (2 + 4) * INPUTS + 4 * INPUTS + 4 * OUTPUTS


def test_work_grows_with_rows_and_shrinks_with_numbers() -> None:
    found = counted(OneLayer(), TINY)
    work, half = found.work(8), found.work(8, 2)
    assert work.operations == half.operations == 8 * found.row_operations
    assert work.least_bytes == found.weights_bytes + 8 * found.row_bytes
    assert half.least_bytes == work.least_bytes // 2


def test_a_model_without_a_network_has_no_operations() -> None:
    spec = replace(TINY, left_frames=0, right_samples=0, margin_samples=0)
    assert counted(Echo(spec), spec).row_operations == 0
