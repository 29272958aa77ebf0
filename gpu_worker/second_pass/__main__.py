"""The second pass's process: ``python -m gpu_worker.second_pass JSON``.

A process of its own, so that an attention model never delays the next step of the first pass. It
answers the decoders' questions about the audio of its slots: those first that finals wait for.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gpu_worker.device import DeviceError, room_at_start
from gpu_worker.figures import SecondPassFigures
from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass.answering import Answering
from gpu_worker.second_pass.loading import kind_of
from shm.audio_ring import Samples
from shm.child import ROUND_TIMEOUT_MS, Child, run_child
from shm.heard import Heard
from shm.process_line import ProcessLine
from shm.second_pass_slot import SecondPassSlot

CUDA_BATCH: Final = 8
CPU_BATCH: Final = 1
"""On a CPU a batch takes as long as its utterances one after the other, and the first one waits."""
CPU: Final = "cpu"
NICENESS: Final = 5
"""On a CPU the first pass goes first: it serves every stream, this one those that have ended."""


@dataclass(frozen=True, slots=True)
class SecondPassSettings:
    """What the supervisor decides. ``device`` (auto, cpu, cuda or cuda:N) and ``precision`` (auto,
    float32, int8) are as for a worker."""

    model: str
    device: str
    precision: str = "auto"


def main(child: Child) -> None:
    """Loads the model, reports ready, then answers until told to stop."""
    child.stop_on_sigterm()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads would not survive a fork
    settings = SecondPassSettings(**child.settings)
    line = ProcessLine(child.plane, child.plane.layout.second_pass_process(child.index))
    child.announce(line)
    kind = kind_of(Path(settings.model))
    device = kind.device(settings.device, child.index)
    if device == CPU:
        os.nice(NICENESS)
    with room_at_start(device, child.generation):
        model = kind.load(Path(settings.model), device, settings.precision)
    if not child.take_turn(line, can_fork=device == CPU and not model.has_threads):
        return
    line.runs_on(None if device == CPU else int(device.partition(":")[2]))
    geometry = child.plane.geometry
    mine = range(child.index, geometry.slots, geometry.second_passes)
    slots = [SecondPassSlot(child.plane, child.bells, slot) for slot in mine]

    figures = SecondPassFigures(child.plane, child.index)

    def hear(
        utterances: Sequence[Samples], *, thorough: bool, while_waiting: Callable[[], None]
    ) -> list[tuple[Heard, ...]]:
        def go_on() -> None:
            line.beat()
            if model.can_be_stopped:
                while_waiting()

        with figures.hearing(utterances):
            return model.hear(utterances, thorough=thorough, while_waiting=go_on)

    answering = Answering(slots, hear, CPU_BATCH if device == CPU else CUDA_BATCH)
    bell = child.bells.second_passes[child.index]
    gc.collect()
    gc.freeze()
    line.ready()
    while child.goes_on:
        line.beat()
        worked = answering.round()
        line.proven()
        if not worked:
            bell.wait(ROUND_TIMEOUT_MS)


if __name__ == "__main__":
    run_child(main, (SecondPassError, DeviceError))
