"""A stream's numbers and text are the same alone and in any company, and the test would notice.

On a CPU bit for bit, because each window is computed by itself. The same on a GPU, where the shapes
are fixed, is in tests/gpu_worker/test_gpu.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.fastconformer import Shape, build, spec_of
from bench.invariance import dependence
from gpu_worker.acoustic.contract import AcousticModel
from gpu_worker.acoustic.int8 import is_supported
from gpu_worker.acoustic.load import load_model
from gpu_worker.decoding import BeamSearch, Vocabulary
from gpu_worker.stepper import EagerStepper, ThreadedStepper
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tests.gpu_worker.test_stepper import RunningSum
from tests.gpu_worker.tiny import TINY

CPU = torch.device("cpu")
GOLDEN = Path(__file__).parents[1] / "data" / "golden_log_probs.npz"
SMALL = Shape(layers=2, width=32, heads=4, channels=8, left_frames=14, vocabulary=9)


class Leaking(RunningSum):
    """Adds a little of the batch's mean to every row, as a norm over the batch would."""

    def step(
        self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        out = super().step(pcm, span, rows, first)
        return out + 1e-3 * out.mean(0, keepdim=True)


class Confused(RunningSum):
    """Leaves its state in the row of the item before."""

    def step(
        self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        out = super().step(pcm, span, rows, first)
        self.sums[rows.roll(1)] = self.sums[rows].clone()
        return out


class Padded(RunningSum):
    """Its numbers depend on how many items there are, as kernels chosen by shape do."""

    def step(
        self, pcm: torch.Tensor, span: torch.Tensor, rows: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        return super().step(pcm, span, rows, first) + pcm.shape[0]


@pytest.mark.parametrize("model", [Leaking(), Confused(), Padded()], ids=lambda m: type(m).__name__)
def test_a_model_whose_rows_leak_is_caught(model: AcousticModel) -> None:
    """The canary: were this list empty, the tests below would prove nothing."""
    assert dependence(EagerStepper(model, TINY, 3, CPU), TINY)


def test_one_whose_rows_do_not_is_not() -> None:
    assert dependence(EagerStepper(RunningSum(), TINY, 3, CPU), TINY) == []


def test_windows_that_are_computed_alone_cannot_leak_through_the_batch() -> None:
    assert dependence(ThreadedStepper(Leaking(), TINY, 3), TINY) == []


def test_a_model_with_caches_keeps_its_rows_apart() -> None:
    spec = spec_of(SMALL)
    assert dependence(ThreadedStepper(build(CPU, 3, SMALL), spec, 3), spec) == []


@pytest.mark.parametrize(
    "int8",
    [False, pytest.param(True, marks=pytest.mark.skipif(not is_supported(), reason="no VNNI"))],
)
def test_the_bundled_model_s_numbers_and_text_on_a_cpu(int8: bool) -> None:
    spec = ModelSpec.load(BUNDLED_MODEL)
    stepper = ThreadedStepper(load_model(spec, CPU, int8=int8), spec, 3)
    windows = spoken(spec)
    assert dependence(stepper, spec, windows) == []
    stepper.stage(0, 1, first=True)[:] = windows[-1]
    stepper.bound(0, 0, windows.shape[1])
    assert text(spec, stepper.run(1)[0]), "there was something to hear"


def spoken(spec: ModelSpec) -> NDArray[np.int16]:
    """Windows of speech, a chunk apart."""
    with np.load(GOLDEN) as golden:
        samples = np.concatenate([golden[name] for name in golden if name.startswith("samples_")])
    assert samples.shape[0] >= spec.window_samples + spec.chunk_samples
    starts = range(0, 2 * spec.chunk_samples, spec.chunk_samples)
    return np.stack([samples[start : start + spec.window_samples] for start in starts])


def text(spec: ModelSpec, log_probs: NDArray[np.float32]) -> str:
    """What a beam search makes of them, a function of the numbers alone."""
    search = BeamSearch(Vocabulary(spec.vocabulary, spec.blank), 20, None)
    search.advance(log_probs)
    return search.final().text
