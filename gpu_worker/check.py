"""Looks at device, model and language model as the engine would use them, for `doctor`.

``python -m gpu_worker.check JSON`` prints a JSON object per finding: ``ok``, ``what``, ``detail``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch

from gpu_worker.acoustic.load import load_model
from gpu_worker.decoding import Calibration, ConfidenceError, LanguageModel, LanguageModelError
from gpu_worker.device import (
    DeviceError,
    choose_device,
    room_at_start,
    uses_int8,
    windows_at_a_time,
)
from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass.hearing import SAMPLE_RATE_HZ
from gpu_worker.second_pass.loading import kind_of
from gpu_worker.stepper import make_stepper
from models.spec import ModelSpec, ModelSpecError

TIMED_STEPS: Final = 5
TIMED_UTTERANCE_S: Final = 5
UNUSABLE: Final = (
    ConfidenceError,
    DeviceError,
    LanguageModelError,
    ModelSpecError,
    SecondPassError,
)

Check: TypeAlias = Callable[[], str]


def main() -> None:
    """Runs the checks and prints what they found."""
    settings = json.loads(sys.argv[1])
    for what, check in _checks(**settings):
        try:
            finding = {"ok": True, "what": what, "detail": check()}
        except UNUSABLE as error:
            finding = {"ok": False, "what": what, "detail": str(error)}
        print(json.dumps(finding), flush=True)


def _checks(
    model: str, language_model: str | None, second_pass: str | None, device: str, precision: str
) -> Iterator[tuple[str, Check]]:
    yield "device", lambda: _device(device, precision)
    yield "acoustic model", lambda: _model(model, device, precision)
    if language_model is not None:
        yield "language model", lambda: _language_model(Path(language_model))
    if second_pass is not None:
        yield "second pass", lambda: _second_pass(Path(second_pass), device, precision)


def _device(name: str, precision: str) -> str:
    device = choose_device(name, 0)
    if device.type == "cpu":
        cores = windows_at_a_time(device)
        numbers = "int8" if uses_int8(precision, device) else "float32"
        return f"CPU, {cores} cores, {numbers}, torch {torch.__version__}"
    properties = torch.cuda.get_device_properties(device)
    memory_gib = properties.total_memory / 2**30
    return f"{properties.name}, {memory_gib:.0f} GiB, torch {torch.__version__}"


def _model(directory: str, device_name: str, precision: str) -> str:
    device = choose_device(device_name, 0)
    int8 = uses_int8(precision, device)
    spec = ModelSpec.load(Path(directory))
    Calibration.load(spec.directory)
    with room_at_start(str(device)):
        stepper = make_stepper(load_model(spec, device, int8=int8), spec, 1, device)
    started = time.perf_counter()
    for _ in range(TIMED_STEPS):
        stepper.run(1)
    step_ms = (time.perf_counter() - started) / TIMED_STEPS * 1000
    chunk_ms = spec.chunk_samples * 1000 / spec.sample_rate_hz
    return (
        f"{spec.name}: {step_ms:.1f} ms for a chunk of "
        f"{chunk_ms:.0f} ms, one stream alone (enough for about {chunk_ms / step_ms:.0f} streams)"
    )


def _language_model(path: Path) -> str:
    LanguageModel.load(path, alpha=1, beta=0)
    return f"{path} loads"


def _second_pass(directory: Path, device_name: str, precision: str) -> str:
    kind = kind_of(directory)
    device = kind.device(device_name, 0)
    with room_at_start(device):
        model = kind.load(directory, device, precision)
    noise = np.random.default_rng(0).normal(0, 1000, TIMED_UTTERANCE_S * SAMPLE_RATE_HZ)
    started = time.perf_counter()
    model.hear([noise.astype(np.int16)])
    ms = (time.perf_counter() - started) * 1000
    return f"{directory.name} on {device}: {ms:.0f} ms for {TIMED_UTTERANCE_S} s of noise"


if __name__ == "__main__":
    main()
