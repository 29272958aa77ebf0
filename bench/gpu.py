"""The GPU in one call: its tests, its results against eager mode and the CPU, its timings.

    python bench/gpu.py            needs a CUDA device, torch, numpy, safetensors and pytest

Run it from the repository's root. For the bundled model, and for the geometry of a larger one with
caches and random weights (`bench.fastconformer`), it checks that graph, eager mode and CPU agree
and that no stream depends on its neighbours, then times the step by number of rows with its floor
(`bench.floor`) beside it. Times are medians as the worker sees them: copy in, replay, copy out,
wait. It exits 1 when a check or test fails, 2 where there is no GPU.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from bench import fastconformer  # noqa: E402
from bench.counting import Counted, counted  # noqa: E402
from bench.floor import CARDS, floor_ms  # noqa: E402
from bench.invariance import dependence  # noqa: E402
from bench.windows import run, speechlike, stage  # noqa: E402
from gpu_worker.acoustic.contract import AcousticModel  # noqa: E402
from gpu_worker.acoustic.load import load_model  # noqa: E402
from gpu_worker.device import DeviceError, choose_device  # noqa: E402
from gpu_worker.stepper import EagerStepper, GraphStepper  # noqa: E402
from models import BUNDLED_MODEL  # noqa: E402
from models.spec import ModelSpec  # noqa: E402

ROWS: Final = (1, 8, 32, 128, 512)
CHECKED_ROWS: Final = 16
TIMED_RUNS: Final = 50
CPU: Final = torch.device("cpu")
CPU_TOLERANCE: Final = 1e-3
"""Sums of thousands of float32 products in another order; the text is compared by the tests."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to check and time: made on a device with rows of state for so many slots."""

    spec: ModelSpec
    make: Callable[[torch.device, int], AcousticModel]


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
    passed = tests.returncode == 0
    for subject in subjects():
        print(f"\n{subject.spec.name}")
        for name, holds in checks(subject, device).items():
            print(f"{'ok  ' if holds else 'FAIL'} {name}")
            passed &= holds
        timings(subject, device)
    return 0 if passed else 1


def subjects() -> tuple[Subject, Subject]:
    """The bundled model, and a larger one's geometry."""
    bundled = ModelSpec.load(BUNDLED_MODEL)
    return (
        Subject(bundled, lambda device, _: load_model(bundled, device)),
        Subject(fastconformer.spec_of(fastconformer.Shape()), fastconformer.build),
    )


def checks(subject: Subject, device: torch.device) -> dict[str, bool]:
    """What must hold, and whether it does."""
    spec = subject.spec
    windows = speechlike(spec, CHECKED_ROWS)
    graph = GraphStepper(subject.make(device, CHECKED_ROWS), spec, CHECKED_ROWS, device)
    eager = EagerStepper(subject.make(device, CHECKED_ROWS), spec, CHECKED_ROWS, device)
    cpu = EagerStepper(subject.make(CPU, CHECKED_ROWS), spec, CHECKED_ROWS, CPU)
    on_graph, on_eager, on_cpu = (run(stepper, windows) for stepper in (graph, eager, cpu))
    difference = float(np.abs(on_graph - on_cpu).max())
    company = f"alone or with {CHECKED_ROWS - 1} neighbours: bitwise equal"
    return {
        f"graph, {company}": _independent(graph, spec),
        f"eager mode, {company}": _independent(eager, spec),
        "graph and eager mode: bitwise equal": np.array_equal(on_graph, on_eager),
        f"GPU and CPU: {difference:.1e} at most apart, below {CPU_TOLERANCE}": (
            difference < CPU_TOLERANCE
        ),
    }


def timings(subject: Subject, device: torch.device) -> None:
    """Prints the time of a step by number of rows, and what it means in streams."""
    spec = subject.spec
    found = counted(subject.make(CPU, 2), spec)
    chunk_ms = spec.chunk_samples * 1000 / spec.sample_rate_hz
    print(
        f"{'rows':>5} {'graph ms':>9} {'eager ms':>9} {'eager/graph':>11} {'floor ms':>9}"
        f" {'of floor':>8} {'streams':>8}"
    )
    for rows in ROWS:
        windows = speechlike(spec, rows)
        graph_ms = timed(GraphStepper(subject.make(device, rows), spec, rows, device), windows)
        eager_ms = timed(EagerStepper(subject.make(device, rows), spec, rows, device), windows)
        floor = floor_here(found, rows, device)
        told = f"{floor:9.3f} {graph_ms / floor:8.1f}" if floor else f"{'-':>9} {'-':>8}"
        streams = chunk_ms / graph_ms * rows
        ratio = eager_ms / graph_ms
        print(
            f"{rows:5d} {graph_ms:9.2f} {eager_ms:9.2f} {ratio:11.2f} {told} {streams:8.0f}",
            flush=True,
        )
        torch.cuda.empty_cache()


def floor_here(found: Counted, rows: int, device: torch.device) -> float | None:
    """The float32 floor in ms where the card's published figures are known."""
    name = torch.cuda.get_device_name(device)
    for card in CARDS:
        if card.name.split()[0] in name.split():
            return floor_ms(found.work(rows), card.float32, card.memory)
    return None


def timed(stepper: GraphStepper | EagerStepper, windows: NDArray[np.int16]) -> float:
    """The median time of a step over ``windows``, already staged, in milliseconds."""
    stage(stepper, windows)
    times = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        stepper.run(windows.shape[0])
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _independent(stepper: GraphStepper | EagerStepper, spec: ModelSpec) -> bool:
    found = dependence(stepper, spec)
    for company in found:
        print(f"     differs with {company}")
    return not found


if __name__ == "__main__":
    sys.exit(main())
