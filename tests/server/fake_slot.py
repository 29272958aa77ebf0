"""A slot in ordinary memory with as much room as a test gives it."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from shm.outbox import OutboxRecord, ResumePoint
from shm.records import Hypothesis, Word


class FakeSlot:
    """Keeps what is written and hands out the results that a test puts in."""

    def __init__(self, room: int = 1 << 30, marks: int = 16) -> None:
        self.free_samples = room
        self.free_marks = marks
        self.written: list[NDArray[np.int16] | str] = []
        self.results: deque[OutboxRecord] = deque()

    def write_audio(self, samples: NDArray[np.int16]) -> None:
        assert samples.shape[0] <= self.free_samples
        self.free_samples -= samples.shape[0]
        self.written.append(samples.copy())

    def write_mark(self) -> None:
        assert self.free_marks > 0
        self.free_marks -= 1
        self.written.append("mark")

    def take(self) -> OutboxRecord | None:
        return self.results.popleft() if self.results else None

    @property
    def samples(self) -> list[int]:
        """All samples written so far."""
        return [s for part in self.written if not isinstance(part, str) for s in part.tolist()]

    @property
    def marks(self) -> int:
        return sum(isinstance(part, str) for part in self.written)

    def put(self, text: str, *, final: bool = True, requested: bool = False) -> None:
        """A hypothesis of ``text`` comes out of the engine."""
        words = tuple(Word(w, 0.5, 0, 40, final) for w in text.split())
        hypothesis = Hypothesis(words, 0.5, final)
        self.results.append(OutboxRecord(1, hypothesis, requested, ResumePoint.of_session(0, 0)))
