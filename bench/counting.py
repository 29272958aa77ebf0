"""What a step of an acoustic model comes to, counted layer by layer as PyTorch runs it.

Works for any model behind `gpu_worker.acoustic.contract`: one row and two are run on the CPU, and
what a row adds is the difference. Counted are multiplications and additions of matrix products,
convolutions and attention (2 for each pair, as hardware is rated), the calls that would be kernels
on a GPU, and the bytes that these read and write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from gpu_worker.acoustic.contract import AcousticModel
from models.spec import ModelSpec

Step = Callable[[], object]
FLOAT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Work:
    """Of one step over ``rows``; bytes are those of float32 unless said otherwise.

    ``least_bytes`` is what no implementation can avoid: every weight read once, what goes into the
    step and what comes out of it, and each row's state read and written. ``passed_bytes`` is what
    the model's calls read and write one after the other, nothing fused.
    """

    rows: int
    operations: int
    calls: int
    least_bytes: int
    passed_bytes: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A model's work for any number of rows: what there is once, and what each row adds."""

    weights_bytes: int
    once_operations: int
    row_operations: int
    row_bytes: int
    calls: int
    passed_once_bytes: int
    passed_row_bytes: int

    def work(self, rows: int, bytes_of_a_number: int = FLOAT_BYTES) -> Work:
        """With weights and state in numbers of so many bytes."""
        share = bytes_of_a_number / FLOAT_BYTES
        return Work(
            rows,
            self.once_operations + rows * self.row_operations,
            self.calls,
            round(share * (self.weights_bytes + rows * self.row_bytes)),
            round(share * (self.passed_once_bytes + rows * self.passed_row_bytes)),
        )


def counted(model: AcousticModel, spec: ModelSpec) -> Counted:
    """Runs ``model``, on the CPU, over one row and over two."""

    def prepared(rows: int) -> Step:
        pcm = torch.zeros(rows, spec.window_samples, dtype=torch.int16)
        span = torch.tensor([[0, spec.window_samples]]).repeat(rows, 1)
        first = torch.ones(rows, dtype=torch.bool)
        return partial(model.step, pcm, span, torch.arange(1, rows + 1), first)

    weights = sum(
        parameter.numel() * parameter.element_size()
        for parameter in (model.parameters() if isinstance(model, torch.nn.Module) else ())
    )
    state = getattr(model, "state_bytes", 0)
    out = spec.chunk_frames * len(spec.vocabulary) * FLOAT_BYTES
    with torch.no_grad():
        one, two = _operations(prepared(1)), _operations(prepared(2))
        first, second = _passed(prepared(1)), _passed(prepared(2))
    return Counted(
        weights_bytes=weights,
        once_operations=2 * one - two,
        row_operations=two - one,
        row_bytes=2 * spec.window_samples + out + 2 * state,
        calls=first.calls,
        passed_once_bytes=2 * first.bytes - second.bytes,
        passed_row_bytes=second.bytes - first.bytes,
    )


def _operations(step: Step) -> int:
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        step()  # attention as the matrix products that it is made of
    return int(counter.get_total_flops())


def _passed(step: Step) -> _Passing:
    passing = _Passing()
    with passing:
        step()
    return passing


class _Passing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts calls that compute something, and the bytes of their tensors. Views cost nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls = 0
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # the signature is PyTorch's
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.calls += 1
            for leaf in tree_leaves((args, kwargs, out)):
                if isinstance(leaf, torch.Tensor):
                    self.bytes += leaf.numel() * leaf.element_size()
        return out
