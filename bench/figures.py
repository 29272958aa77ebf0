"""What the figures of docs/OPERATING.md cost: microseconds of CPU for each, on one core.

``python -m bench.figures``. For each place that counts, the same operation with and without it,
over a real plane; then what it comes to for a chunk of audio, and what a scrape costs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import numpy as np

from gpu_worker.figures import DecoderFigures, WorkerFigures
from gpu_worker.lane import Plan
from server.admission import Admission, FrontendFigures
from server.operator_pages import OperatorPages
from shm.audio_ring import Samples
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.layout import Geometry
from shm.plane import Plane
from shm.slot_pool import SlotPool

SLOTS: Final = 64
SPEECH: Final = Geometry(SLOTS, 1, 1, 4, 16_000, 16, 640, 29, second_passes=1)
MESSAGE: Final = np.zeros(2048, np.int16)
TIMES: Final = 20_000
MESSAGES_OF_A_CHUNK: Final = 5


def main() -> int:
    """Prints the table; returns the exit status."""
    plane, bells = Plane.create(SPEECH), Doorbells.create(SPEECH)
    admission = Admission(plane, SlotPool(plane, bells, 0), FrontendFigures(plane, 0))
    slot = admission.claim()
    message = cost(_writer(plane, slot.measured, slot.write_audio))
    message -= cost(_writer(plane, slot.measured, slot.measured.write_audio))
    worker, decoder = WorkerFigures(plane, 0), DecoderFigures(plane, 0)
    step = cost(lambda: _within(worker.step(4))) - cost(lambda: _within(nullcontext()))
    plan = Plan(0, 0, 10_240, ends=False, asks=False, frames=16, first=True, hurries=False)
    published = cost(lambda: worker.published(16, worker.times(0, plan)))
    words = DecoderSlot(plane, bells, 0)
    search = cost(lambda: _within(decoder.search(words.stepped_ns)))
    search -= cost(lambda: _within(nullcontext()))
    chunk = MESSAGES_OF_A_CHUNK * message + step + published + search
    print(f"frontend, a message of 128 ms   {message:7.2f} us")
    print(f"worker, a step                  {step:7.2f} us")
    print(f"worker, a chunk published       {published:7.2f} us")
    print(f"decoder, a record               {search:7.2f} us")
    print(f"a chunk of 600 ms, all of these {chunk:7.2f} us, {chunk / 600_000:.4%} of a core")
    clock_ns = iter(range(0, 10**18, 10**10)).__next__
    pages = OperatorPages(plane, clock_ns).all()
    for path in ("/readyz", "/metrics", "/status.json"):
        print(f"{path:<13}, {SLOTS} slots        {cost(pages[path], 300):9.0f} us")
    bells.close()
    plane.close()
    return 0


def cost(operation: Callable[[], object], times: int = TIMES) -> float:
    """Microseconds of this process's CPU for one, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time_ns()
        for _ in range(times):
            operation()
        best = min(best, (time.process_time_ns() - began) / times / 1000)
    return best


def _within(context: AbstractContextManager[None]) -> None:
    with context:
        pass


def _writer(
    plane: Plane, slot: FrontendSlot, write: Callable[[Samples], None]
) -> Callable[[], None]:
    """Writes a message, with room for it made as a final would."""
    decoder = plane.line(plane.layout.decoder_line(slot.slot))

    def operation() -> None:
        decoder[0] = slot.audio_head  # the commit
        write(MESSAGE)

    return operation


if __name__ == "__main__":
    sys.exit(main())
