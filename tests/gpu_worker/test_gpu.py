"""What only a CUDA device can show: the captured graph, its results, and its independence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from bench.gpu import Subject, checks, subjects
from bench.invariance import dependence
from bench.windows import run, speechlike
from gpu_worker.acoustic.contract import AcousticModel
from gpu_worker.acoustic.load import load_model
from gpu_worker.device import choose_device
from gpu_worker.stepper import EagerStepper, GraphStepper, Stepper
from models import BUNDLED_MODEL
from models.spec import ModelSpec

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

STEPPERS: list[Callable[[AcousticModel, ModelSpec, int, torch.device], Stepper]] = [
    GraphStepper,
    EagerStepper,
]


@pytest.mark.parametrize("subject", subjects(), ids=lambda subject: subject.spec.architecture)
def test_graph_eager_and_cpu_agree_and_rows_are_independent(subject: Subject) -> None:
    found = checks(subject, choose_device("cuda", 0))
    assert [name for name, holds in found.items() if not holds] == []


@pytest.mark.parametrize("make", STEPPERS)
def test_a_model_whose_rows_leak_is_caught(
    make: Callable[[AcousticModel, ModelSpec, int, torch.device], Stepper],
) -> None:
    """The bundled model, plus a little of the batch's mean."""
    spec, device = ModelSpec.load(BUNDLED_MODEL), choose_device("cuda", 0)
    assert dependence(make(_Leaking(load_model(spec, device)), spec, 4, device), spec)


class _Leaking:
    def __init__(self, model: AcousticModel) -> None:
        self._model = model

    def step(self, *inputs: torch.Tensor) -> torch.Tensor:
        out = self._model.step(*inputs)
        return out + 1e-3 * out.mean(0, keepdim=True)


def test_replays_of_the_same_windows_are_bitwise_equal() -> None:
    spec, device = ModelSpec.load(BUNDLED_MODEL), choose_device("cuda", 0)
    stepper = GraphStepper(load_model(spec, device), spec, 4, device)
    windows = speechlike(spec, 4)
    assert np.array_equal(run(stepper, windows), run(stepper, windows))


def test_stepping_allocates_nothing_on_the_device() -> None:
    spec, device = ModelSpec.load(BUNDLED_MODEL), choose_device("cuda", 0)
    stepper = GraphStepper(load_model(spec, device), spec, 4, device)
    windows = speechlike(spec, 4)
    run(stepper, windows)
    before = torch.cuda.memory_stats(device)["allocation.all.allocated"]
    run(stepper, windows)
    assert torch.cuda.memory_stats(device)["allocation.all.allocated"] == before
