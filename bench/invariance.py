"""Does a stream's result depend on who else is in its batch? It must not, bit for bit.

`dependence` plays the same stream through a stepper again and again: alone, and with neighbours of
every kind, at every place in the batch. It works for models with and without caches, and on any
device. What it finds it says; nothing found is an empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.windows import speechlike
from gpu_worker.stepper import Stepper
from models.spec import ModelSpec

CHUNKS: Final = 3
LOUD: Final = 32_767

Windows = NDArray[np.int16]
"""(chunks, window_samples): what one stream hears, step by step."""


def dependence(stepper: Stepper, spec: ModelSpec, stream: Windows | None = None) -> list[str]:
    """The company in which the numbers of ``stream`` differ from those that it has alone.

    It fills the batch, whose rows of state it uses up to that number.
    """
    if stream is None:
        stream = speechlike(spec, CHUNKS, seed=0)
    alone = _played(stepper, stream, 0, {})
    return [
        company
        for company, place, neighbours in _companies(stepper.batch, spec, len(stream))
        if not np.array_equal(alone, _played(stepper, stream, place, neighbours))
    ]


def _companies(
    batch: int, spec: ModelSpec, chunks: int
) -> Iterator[tuple[str, int, dict[int, Windows]]]:
    """What to call it, the stream's place in the batch, and its neighbours by theirs."""
    shape = (chunks, spec.window_samples)
    kinds: dict[str, Callable[[int], Windows]] = {
        "speaking": lambda place: speechlike(spec, chunks, seed=place + 1),
        "silent": lambda _: np.zeros(shape, np.int16),
        "loud": lambda _: np.full(shape, LOUD, np.int16),
    }
    for name, make in kinds.items():
        for place in sorted({0, batch // 2, batch - 1}):
            others = [other for other in range(batch) if other != place]
            yield f"{len(others)} {name}, at {place}", place, {o: make(o) for o in others}
    if batch > 1:
        yield "one before it", 1, {0: speechlike(spec, chunks, seed=9)}


def _played(
    stepper: Stepper, stream: Windows, place: int, neighbours: dict[int, Windows]
) -> NDArray[np.float32]:
    """(chunks, chunk_frames, vocabulary) of the stream; its row of state is always the same."""
    played = {**neighbours, place: stream}
    rows = {place: 1}
    rows |= {other: number for number, other in enumerate(sorted(neighbours), start=2)}
    found = []
    for chunk in range(len(stream)):
        for item in range(len(played)):
            window = played[item][chunk]
            stepper.stage(item, rows[item], first=chunk == 0)[:] = window
            stepper.bound(item, 0, window.shape[0])
        found.append(stepper.run(len(played))[place].copy())
    return np.stack(found)
