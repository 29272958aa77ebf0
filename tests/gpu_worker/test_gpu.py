"""What only a CUDA device can show: the captured graph, its results, and its independence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.gpu import check, run, speechlike_windows
from gpu_worker.acoustic.load import load_model
from gpu_worker.device import choose_device
from gpu_worker.stepper import GraphStepper
from models import BUNDLED_MODEL
from models.spec import ModelSpec

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_graph_eager_and_cpu_agree() -> None:
    assert check(ModelSpec.load(BUNDLED_MODEL), choose_device("cuda", 0))


def test_replays_of_the_same_windows_are_bitwise_equal() -> None:
    spec, device = ModelSpec.load(BUNDLED_MODEL), choose_device("cuda", 0)
    stepper = GraphStepper(load_model(spec, device), spec, 4, device)
    windows = speechlike_windows(spec, 4)
    assert np.array_equal(run(stepper, windows), run(stepper, windows))


def test_stepping_allocates_nothing_on_the_device() -> None:
    spec, device = ModelSpec.load(BUNDLED_MODEL), choose_device("cuda", 0)
    stepper = GraphStepper(load_model(spec, device), spec, 4, device)
    windows = speechlike_windows(spec, 4)
    run(stepper, windows)
    before = torch.cuda.memory_stats(device)["allocation.all.allocated"]
    run(stepper, windows)
    assert torch.cuda.memory_stats(device)["allocation.all.allocated"] == before
