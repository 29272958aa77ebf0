"""The step on a CPU: one window on one core, and as many windows as there are cores, side by side.

    python -m bench.step [--model DIR] [--runs 20]

In float32, and in 8 bits where the processor has AVX-512 VNNI, in turns within one run, since a
shared machine changes its speed. Milliseconds; the windows are noise, which costs what speech does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.windows import speechlike, stage
from gpu_worker.acoustic.int8 import is_supported
from gpu_worker.acoustic.load import load_model
from gpu_worker.device import choose_device, windows_at_a_time
from gpu_worker.stepper import ThreadedStepper
from models import BUNDLED_MODEL
from models.spec import ModelSpec, ModelSpecError


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each precision and number of windows; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.step", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, metavar="DIR")
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args(arguments)
    device = choose_device("cpu", 0)
    cores = windows_at_a_time(device)
    try:
        spec = ModelSpec.load(options.model)
        steppers = {
            name: ThreadedStepper(load_model(spec, device, int8=int8), spec, cores)
            for name, int8 in (("float32", False), ("8 bits", True))[: 1 + is_supported()]
        }
    except ModelSpecError as error:
        print(error, file=sys.stderr)
        return 1
    chunk_ms = spec.chunk_samples * 1000 / spec.sample_rate_hz
    print(f"{spec.name}, {cores} cores, chunks of {chunk_ms:.0f} ms; medians of {options.runs}")
    for windows in sorted({1, cores}):
        taken = measured(steppers, spec, windows, options.runs)
        for name, times_ms in taken.items():
            median = statistics.median(times_ms)
            streams = windows * chunk_ms / median
            print(f"{name:<8} {windows} at a time  {median:6.1f} ms  at most {streams:.0f} streams")
    return 0


def measured(
    steppers: dict[str, ThreadedStepper], spec: ModelSpec, windows: int, runs: int
) -> dict[str, list[float]]:
    """Milliseconds of each step, the steppers in turns."""
    taken: dict[str, list[float]] = {name: [] for name in steppers}
    for stepper in steppers.values():
        stage(stepper, speechlike(spec, windows))
    for _ in range(runs):
        for name, stepper in steppers.items():
            began_s = time.perf_counter()
            stepper.run(windows)
            taken[name].append((time.perf_counter() - began_s) * 1000)
    return taken


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
