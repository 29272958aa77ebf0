"""The link's side of a slot: audio and marks out to a model server, results in from it.

Where the model is on another machine, one process stands where worker and decoder do: it writes
both their lines. The session and its frontend see no difference, and the rules are the same: what
is settled follows from the newest record of the outbox (R1, R2), and audio is checked again after
it was copied (R4), here because the session may have ended meanwhile.
"""

from __future__ import annotations

import numpy as np

from shm.audio_ring import Samples
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.outbox import OutboxRecord, ResumePoint
from shm.plane import Plane
from shm.seal import CorruptRecordError
from shm.session import Session
from shm.worker_slot import WorkerSlot


class LinkSlot:
    """One slot as its link sees it."""

    __slots__ = ("_results", "_sound", "slot")

    def __init__(self, plane: Plane, bells: Doorbells, slot: int) -> None:
        self.slot = slot
        self._sound = WorkerSlot(plane, bells, slot)
        self._results = DecoderSlot(plane, bells, slot)

    @property
    def epoch(self) -> int | None:
        return self._sound.epoch

    def session(self) -> Session | None:
        return self._sound.session()

    def give_up(self, epoch: int, error: CorruptRecordError) -> None:
        """As a worker does."""
        self._sound.give_up(epoch, error)

    def has_given_up(self, epoch: int) -> bool:
        return self._sound.has_given_up(epoch)

    def resume_point(self, session: Session) -> ResumePoint:
        """See `SessionReader.resume_point`, with what it raises."""
        return self._sound.resume_point(session)

    @property
    def audio_head(self) -> int:
        """Samples written. Read it before `mark_at`, as a worker does."""
        return self._sound.audio_head

    def mark_at(self, mark: int) -> int | None:
        """The sample at which mark number ``mark`` was set, if it has been."""
        return self._sound.mark_at(mark)

    def audio(self, epoch: int, resume: ResumePoint, start: int, stop: int) -> Samples | None:
        """Samples ``start`` to ``stop`` (int16), copied; None if their session has ended."""
        samples = np.empty(stop - start, np.int16)
        if self._sound.copy_audio(epoch, resume.sample, resume.mark, start, samples):
            return samples
        return None

    def computed(self, sample: int) -> None:
        """The audio before ``sample`` has been through the model: more may come."""
        self._sound.stands_at(sample)

    @property
    def has_room(self) -> bool:
        """Whether an outbox record is free."""
        return self._results.has_room

    def publish(self, record: OutboxRecord) -> None:
        """Hands a result to the frontend; a final settles what it says."""
        self._results.publish(record)
