"""The GPU in one call: its tests, its results against eager mode and the CPU, its timings.

    python bench/gpu.py            needs a CUDA device, torch, numpy, safetensors and pytest

Run it from the repository's root. It exits 1 when a check fails. Timings are medians of device-side
time as the worker sees it: copy in, replay, copy out, wait.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from gpu_worker.acoustic.load import load_model  # noqa: E402
from gpu_worker.device import DeviceError, choose_device  # noqa: E402
from gpu_worker.stepper import EagerStepper, GraphStepper, Stepper  # noqa: E402
from models import BUNDLED_MODEL  # noqa: E402
from models.spec import ModelSpec  # noqa: E402

BATCHES = (1, 2, 4, 8, 16, 32, 64)
CHECKED_BATCH = 16
TIMED_RUNS = 50
CPU_TOLERANCE = 1e-3
"""Sums of thousands of float32 products in another order; the text is compared by the tests."""


def main() -> int:
    """Tests, checks, timings; the exit status."""
    try:
        device = choose_device("cuda", 0)
    except DeviceError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", "tests/gpu_worker"], cwd=ROOT, check=False
    )
    spec = ModelSpec.load(BUNDLED_MODEL)
    passed = tests.returncode == 0
    passed &= check(spec, device)
    timings(spec, device)
    return 0 if passed else 1


def check(spec: ModelSpec, device: torch.device) -> bool:
    """Whether graph, eager mode and CPU agree, and a stream does not depend on its neighbours."""
    on_gpu, on_cpu = load_model(spec, device), load_model(spec, torch.device("cpu"))
    windows = speechlike_windows(spec, CHECKED_BATCH)
    graph = GraphStepper(on_gpu, spec, CHECKED_BATCH, device)
    eager = EagerStepper(on_gpu, spec, CHECKED_BATCH, device)
    cpu = EagerStepper(on_cpu, spec, CHECKED_BATCH, torch.device("cpu"))
    together = run(graph, windows)
    alone = np.concatenate([run(graph, windows[i : i + 1]) for i in range(CHECKED_BATCH)])
    checks = {
        "graph, alone or with 15 neighbours: bitwise equal": np.array_equal(together, alone),
        "graph and eager mode on the GPU: bitwise equal": np.array_equal(
            together, run(eager, windows)
        ),
        f"GPU and CPU: largest difference below {CPU_TOLERANCE}": (
            float(np.abs(together - run(cpu, windows)).max()) < CPU_TOLERANCE
        ),
    }
    for name, holds in checks.items():
        print(f"{'ok  ' if holds else 'FAIL'} {name}")
    return all(checks.values())


def timings(spec: ModelSpec, device: torch.device) -> None:
    """Prints the time of a step by batch size, graph and eager, and what it means in streams."""
    model = load_model(spec, device)
    chunk_ms = spec.chunk_samples * 1000 / spec.sample_rate_hz
    print(f"{'batch':>5} {'graph ms':>9} {'eager ms':>9} {'eager/graph':>11} {'streams':>8}")
    for batch in BATCHES:
        windows = speechlike_windows(spec, batch)
        graph_ms = median_ms(stepping(GraphStepper(model, spec, batch, device), windows))
        eager_ms = median_ms(stepping(EagerStepper(model, spec, batch, device), windows))
        streams = chunk_ms / graph_ms * batch
        ratio = eager_ms / graph_ms
        print(f"{batch:5d} {graph_ms:9.2f} {eager_ms:9.2f} {ratio:11.2f} {streams:8.0f}")


def speechlike_windows(spec: ModelSpec, count: int) -> NDArray[np.int16]:
    """(count, window_samples): noise with an envelope, so that no item equals another."""
    random = np.random.default_rng(1)
    noise = random.normal(0, 3000, (count, spec.window_samples))
    envelope = np.abs(
        np.sin(np.linspace(0, 20, spec.window_samples)[None] + np.arange(count)[:, None])
    )
    return np.clip(noise * envelope, -32768, 32767).astype(np.int16)


def stage(stepper: Stepper, windows: NDArray[np.int16]) -> None:
    """Fills the stepper's buffers."""
    for item, window in enumerate(windows):
        stepper.stage(item, item + 1, first=True)[:] = window
        stepper.bound(item, 0, window.shape[0])


def run(stepper: Stepper, windows: NDArray[np.int16]) -> NDArray[np.float32]:
    """One step over ``windows``, copied out."""
    stage(stepper, windows)
    return stepper.run(windows.shape[0]).copy()


def stepping(stepper: Stepper, windows: NDArray[np.int16]) -> Callable[[], object]:
    """A function that runs one step over already staged windows."""
    stage(stepper, windows)
    return lambda: stepper.run(windows.shape[0])


def median_ms(step: Callable[[], object]) -> float:
    """The median time of a call in milliseconds."""
    times = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        step()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
