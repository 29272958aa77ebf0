"""Reading what a slot's session is and where it stands: shared by the worker and the decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shm import layout
from shm.outbox import ResumePoint, read_outbox
from shm.plane import Plane

_MAX_RETRIES: Final = 1000
"""A reader overtaken this often in a row is reading something that no writer of ours writes."""


@dataclass(frozen=True, slots=True)
class Session:
    """A client's hold on a slot. The epoch is odd and never used twice."""

    epoch: int
    base_sample: int
    base_mark: int
    origin_samples: int = 0
    """Samples of the stream that were settled elsewhere, before this session began."""
    partials: int = layout.PARTIALS_OF_ENGINE


class SessionReader:
    """Consistent views of a slot's session while frontend and decoder go on writing."""

    __slots__ = ("_decoder", "_frontend", "_plane", "_slot")

    def __init__(self, plane: Plane, slot: int) -> None:
        self._plane = plane
        self._slot = slot
        self._frontend = plane.line(plane.layout.frontend_line(slot))
        self._decoder = plane.line(plane.layout.decoder_line(slot))

    @property
    def epoch(self) -> int | None:
        """The epoch of the open session, or None while nobody holds the slot."""
        word = self._frontend[layout.SLOT_SESSION]
        return word if word & 1 else None

    def session(self) -> Session | None:
        """The open session; its base words are written before it opens, so re-reading suffices."""
        for _ in range(_MAX_RETRIES):
            epoch = self.epoch
            if epoch is None:
                return None
            session = Session(
                epoch,
                self._frontend[layout.SLOT_BASE_SAMPLES],
                self._frontend[layout.SLOT_BASE_MARKS],
                self._frontend[layout.SLOT_ORIGIN_SAMPLES],
                self._frontend[layout.SLOT_PARTIALS],
            )
            if self.epoch == epoch:
                return session
        raise AssertionError("a session changes at most once per connection")

    def resume_point(self, session: Session) -> ResumePoint:
        """Where a restart begins in ``session``: at its last final (rule R1).

        The newest outbox record is copied between two reads of the head; a head that moved
        meanwhile may have overwritten it, so the copy is made again.

        Raises:
            CorruptRecordError: that record is of this session and cannot be believed. Where it goes
                on is not known then: it must be given up.
        """
        for _ in range(_MAX_RETRIES):
            head = self._decoder[layout.SLOT_OUTBOX_HEAD]
            if head == 0 or self._decoder[layout.SLOT_OUTBOX_EPOCH] != session.epoch:
                return ResumePoint.of_session(session.base_sample, session.base_mark)
            offset = self._plane.layout.outbox_record(self._slot, head - 1)
            copy = memoryview(bytes(self._plane.bytes(offset, layout.OUTBOX_RECORD_BYTES)))
            if self._decoder[layout.SLOT_OUTBOX_HEAD] != head:
                continue
            record = read_outbox(copy, head - 1)
            if record.epoch != session.epoch:
                return ResumePoint.of_session(session.base_sample, session.base_mark)
            return record.resume
        raise AssertionError("an outbox moves slower than its reader")
