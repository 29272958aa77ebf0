"""The worker process: ``python -m gpu_worker JSON``. See `gpu_worker.worker` for what it does."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

import torch

from gpu_worker.acoustic.load import load_model
from gpu_worker.device import (
    DeviceError,
    choose_device,
    room_at_start,
    uses_int8,
    windows_at_a_time,
)
from gpu_worker.endpointing import (
    NOTHING_SPOKEN_MS,
    TRAILING_SILENCE_MS,
    EndpointRules,
    EndpointTimes,
)
from gpu_worker.figures import WorkerFigures
from gpu_worker.stepper import Stepper, make_stepper, streams_in_real_time
from gpu_worker.worker import Worker
from models.spec import ModelSpec, ModelSpecError
from shm.child import ROUND_TIMEOUT_MS, Child, run_child
from shm.process_line import ProcessLine
from shm.worker_slot import WorkerSlot


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the supervisor decides for a worker."""

    model: str
    device: str
    trailing_silence_ms: int = TRAILING_SILENCE_MS
    nothing_spoken_ms: int = NOTHING_SPOKEN_MS
    precision: str = "auto"


def main(child: Child) -> None:
    """Loads the model, reports ready, then goes round until told to stop."""
    child.stop_on_sigterm()
    settings = WorkerSettings(**child.settings)
    line = ProcessLine(child.plane, child.plane.layout.worker_process(child.index))
    child.announce(line)
    device = choose_device(settings.device, child.index)
    spec = ModelSpec.load(Path(settings.model))
    with room_at_start(str(device), child.generation):
        stepper = _stepper(child, settings, spec, device)
    streams = streams_in_real_time(stepper, spec)
    stepper.rest()
    if not child.take_turn(line, can_fork=device.type == "cpu"):
        return
    line.runs_on(device.index if device.type == "cuda" else None)
    line.could_step(streams)
    worker = _worker(child, settings, spec, stepper)
    bell = child.bells.workers[child.index]
    gc.collect()
    gc.freeze()
    gc.disable()
    line.ready()
    while child.goes_on:
        line.beat()
        if not worker.round():
            bell.wait(ROUND_TIMEOUT_MS)


def _slots(child: Child) -> range:
    """The slots of this worker, by number."""
    geometry = child.plane.geometry
    return range(child.index, geometry.slots, geometry.workers)


def _stepper(
    child: Child, settings: WorkerSettings, spec: ModelSpec, device: torch.device
) -> Stepper:
    """All that takes its time: the model, and its graph."""
    slots = len(_slots(child))
    model = load_model(spec, device, slots, int8=uses_int8(settings.precision, device))
    batch = min(windows_at_a_time(device), slots)
    return make_stepper(model, spec, batch, device)


def _worker(child: Child, settings: WorkerSettings, spec: ModelSpec, stepper: Stepper) -> Worker:
    slots = [WorkerSlot(child.plane, child.bells, slot) for slot in _slots(child)]
    times = EndpointTimes(settings.trailing_silence_ms, settings.nothing_spoken_ms)
    figures = WorkerFigures(child.plane, child.index)
    return Worker(spec, stepper, slots, EndpointRules.of_model(spec, times), figures)


if __name__ == "__main__":
    run_child(main, (ModelSpecError, DeviceError))
