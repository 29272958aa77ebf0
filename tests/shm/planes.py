"""A small plane for tests: at 100 Hz a ring of a minute holds 8192 samples."""

from __future__ import annotations

import select

import numpy as np
from numpy.typing import NDArray

from shm.doorbell import Doorbell
from shm.emissions import Emission, SegmentEnd
from shm.frontend_slot import FrontendSlot
from shm.layout import Geometry
from shm.outbox import OutboxRecord, ResumePoint
from shm.records import Hypothesis, Word
from shm.slot_pool import SlotPool

SMALL = Geometry(
    slots=3,
    frontends=2,
    workers=1,
    decoders=2,
    sample_rate_hz=100,
    chunk_frames=4,
    frame_samples=10,
    vocabulary_size=5,
    second_passes=1,
)


def was_rung(bell: Doorbell) -> bool:
    """Whether somebody rang since the last look."""
    rung = bool(select.select([bell.fd], [], [], 0)[0])
    bell.clear()
    return rung


def samples(*values: int) -> NDArray[np.int16]:
    return np.array(values, np.int16)


def emission(
    *, epoch: int = 1, segment: int = 0, first_frame: int = 0, frames: int = 4
) -> Emission:
    """An emission that goes on, with recognisable log-probabilities."""
    start = 40 * first_frame
    log_probs = -np.arange(frames * 5, dtype=np.float32).reshape(frames, 5) - first_frame
    covered = start + 10 * frames
    return Emission(
        epoch=epoch,
        segment=segment,
        segment_start_sample=0,
        first_frame=first_frame,
        covered_sample=covered,
        heard_sample=covered,
        end=SegmentEnd.NONE,
        next_sample=covered,
        next_mark=0,
        has_speech=True,
        log_probs=log_probs,
    )


def final(
    text: str = "", *, epoch: int = 1, resume: ResumePoint, requested: bool = False
) -> OutboxRecord:
    """A final of ``text``, with ``resume`` as what it settles."""
    words = tuple(Word(word, 0.5, 0, 10, True) for word in text.split())
    return OutboxRecord(epoch, Hypothesis(words, 0.5, True), requested, resume)


def claimed(pool: SlotPool) -> FrontendSlot:
    slot = pool.claim()
    assert slot is not None
    return slot
