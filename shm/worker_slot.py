"""The worker's side of a slot: audio and marks in, emission records out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from shm import layout
from shm.audio_ring import Samples, copy_out
from shm.doorbells import Doorbells
from shm.emissions import Emission, write_emission
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.seal import CorruptRecordError
from shm.session import Session, SessionReader
from shm.trace import OF_EMISSION

log = logging.getLogger("realtime_engine.worker")

NO_TIMES: Final = (0,) * OF_EMISSION
"""Of a chunk whose times nobody took, or that waited for its client."""


class WorkerSlot:
    """One slot as its GPU worker sees it. The emission head is the worker's only counter."""

    __slots__ = (
        "_bell",
        "_decoder",
        "_emission_head",
        "_frontend",
        "_line",
        "_marks",
        "_plane",
        "_reader",
        "_ring",
        "slot",
    )

    def __init__(self, plane: Plane, bells: Doorbells, slot: int) -> None:
        self.slot = slot
        self._plane = plane
        self._bell = bells.decoder_of(slot)
        self._reader = SessionReader(plane, slot)
        self._frontend = plane.line(plane.layout.frontend_line(slot))
        self._line = plane.line(plane.layout.worker_line(slot))
        self._decoder = plane.line(plane.layout.decoder_line(slot))
        self._marks = plane.words(plane.layout.mark_ring(slot), layout.MARK_RECORDS)
        self._ring = plane.audio_ring(slot)
        self._emission_head = self._line[layout.SLOT_EMISSION_HEAD]

    @property
    def epoch(self) -> int | None:
        return self._reader.epoch

    def session(self) -> Session | None:
        return self._reader.session()

    def resume_point(self, session: Session) -> ResumePoint:
        """See `SessionReader.resume_point`, with what it raises."""
        return self._reader.resume_point(session)

    @property
    def audio_head(self) -> int:
        """Samples written. Read it before `mark_at`: a mark is published before later audio."""
        return self._frontend[layout.SLOT_AUDIO_HEAD]

    def mark_at(self, mark: int) -> int | None:
        """The sample at which mark number ``mark`` ends an utterance, if it has been set."""
        if mark >= self._frontend[layout.SLOT_MARK_HEAD]:
            return None
        return self._marks[mark & (layout.MARK_RECORDS - 1)]

    @property
    def has_room(self) -> bool:
        """Whether an emission record is free, counted from the commit (rule R8)."""
        used = self._emission_head - self._decoder[layout.SLOT_EMISSION_COMMIT]
        return used < self._plane.geometry.emission_records

    def copy_audio(
        self, epoch: int, segment_start: int, mark: int, start: int, out: Samples
    ) -> bool:
        """Fills ``out`` from sample ``start``; False if the segment has been settled meanwhile.

        The check comes after the copy (rule R4): once the decoder has committed past the
        segment's start, the frontend may have written over what was copied. A segment that holds
        no audio ends where it starts, but then it has answered mark number ``mark``, which may
        have been written over as well.
        """
        copy_out(self._ring, start, out)
        settled = (
            self._decoder[layout.SLOT_AUDIO_COMMIT] > segment_start
            or self._decoder[layout.SLOT_MARK_COMMIT] > mark
        )
        return self._reader.epoch == epoch and not settled

    def pauses(self, start: int, stop: int) -> None:
        """Tells the decoder that the segment has paused: a hint, which nothing depends on.

        Were it to end in this pause, its second pass would hear it from ``start`` to ``stop``.
        """
        if self._line[layout.SLOT_PAUSE_STOP] == stop:
            return
        self._line[layout.SLOT_PAUSE_STOP] = 0
        self._line[layout.SLOT_PAUSE_START] = start
        self._line[layout.SLOT_PAUSE_STOP] = stop
        self._bell.ring()

    def give_up(self, epoch: int, error: CorruptRecordError) -> None:
        """This session cannot go on: a record of it is corrupt. Its frontend ends it."""
        log.error("slot %d, a session is given up: %s", self.slot, error)
        self._line[layout.SLOT_WORKER_GAVE_UP] = epoch

    def has_given_up(self, epoch: int) -> bool:
        """Whether `give_up` has been called for it, by this process or one before it."""
        return self._line[layout.SLOT_WORKER_GAVE_UP] == epoch

    def stands_at(self, sample: int) -> None:
        """The audio before ``sample`` has been computed; `publish` says so of its emission's."""
        self._line[layout.SLOT_POSITION_SAMPLES] = sample

    def publish(self, emission: Emission, times: Sequence[int] = NO_TIMES) -> None:
        """Payload first, head last, then the decoder's bell.

        ``times`` are the first of its chunk's `shm.trace`.
        """
        assert self.has_room, "emissions are never overwritten"
        offset = self._plane.layout.emission_record(self.slot, self._emission_head)
        size = self._plane.geometry.emission_record_bytes
        record = self._plane.bytes(offset, size)
        write_emission(record, self._emission_head, emission, times)
        self.stands_at(emission.covered_sample)
        self._emission_head += 1
        self._line[layout.SLOT_EMISSION_HEAD] = self._emission_head
        self._bell.ring()
