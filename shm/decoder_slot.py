"""The decoder's side of a slot: emission records in, hypotheses out, and what is settled for good.

A final is committed by one store, the outbox head. The three commits follow from the record that
the head publishes, so a decoder that dies between the stores is repaired from it (rule R2).
"""

from __future__ import annotations

import logging
import time

from shm import layout
from shm.doorbells import Doorbells
from shm.emissions import Emission, ends_segment, read_emission
from shm.heard import MAX_HEARD_S, Heard, Purpose, read_heard
from shm.language import number_at_hand, number_in, word_of
from shm.outbox import OutboxRecord, ResumePoint, read_outbox, write_outbox
from shm.plane import Plane
from shm.process_line import ProcessLine
from shm.seal import CorruptRecordError
from shm.session import Session, SessionReader
from shm.stamp import earlier_of, stamp_of
from shm.trace import OF_EMISSION

log = logging.getLogger("realtime_engine.decoder")


class DecoderSlot:
    """One slot as its decoder sees it."""

    __slots__ = (
        "_bells",
        "_frontend",
        "_line",
        "_plane",
        "_reader",
        "_second_pass",
        "_tail",
        "_worker",
        "searched_ns",
        "slot",
    )

    def __init__(self, plane: Plane, bells: Doorbells, slot: int) -> None:
        self.slot = slot
        self._plane = plane
        self._bells = bells
        self._reader = SessionReader(plane, slot)
        self._frontend = plane.line(plane.layout.frontend_line(slot))
        self._worker = plane.line(plane.layout.worker_line(slot))
        self._line = plane.line(plane.layout.decoder_line(slot))
        self._second_pass = plane.line(plane.layout.second_pass_line(slot))
        self.searched_ns = 0
        """When the search over the next record ended, where its result waits for an answer."""
        self._repair()
        self._tail = self._line[layout.SLOT_EMISSION_COMMIT]

    @property
    def epoch(self) -> int | None:
        return self._reader.epoch

    def session(self) -> Session | None:
        return self._reader.session()

    def resume_point(self, session: Session) -> ResumePoint:
        """See `SessionReader.resume_point`, with what it raises."""
        return self._reader.resume_point(session)

    @property
    def has_emission(self) -> bool:
        return self._tail != self._worker[layout.SLOT_EMISSION_HEAD]

    @property
    def has_room(self) -> bool:
        """Whether an outbox record is free."""
        used = self._line[layout.SLOT_OUTBOX_HEAD] - self._frontend[layout.SLOT_OUTBOX_TAIL]
        return used < layout.OUTBOX_RECORDS

    @property
    def tail(self) -> int:
        """Index of the next emission record to read."""
        return self._tail

    def read(self) -> Emission:
        """The next emission record, a view until `step_past` or `drop`.

        Raises:
            CorruptRecordError: it cannot be believed.
        """
        return read_emission(self._emission(self._tail), self._tail)

    @property
    def ends_ahead(self) -> bool:
        """Whether a record behind the next one ends a segment."""
        head = self._worker[layout.SLOT_EMISSION_HEAD]
        return any(ends_segment(self._emission(index)) for index in range(self._tail + 1, head))

    @property
    def stepped_ns(self) -> int:
        """When the worker published the record that `read` gives."""
        return stamp_of(self._emission(self._tail))

    def step_past(self) -> None:
        """Done with a record that a replay of this segment would still need."""
        self._tail += 1
        self.searched_ns = 0
        self._line[layout.SLOT_EMISSION_TAIL] = self._tail

    def hold(self) -> None:
        """The record's search has ended, and its result waits for an answer."""
        self.searched_ns = time.monotonic_ns()

    def drop(self) -> None:
        """Done with a record that nobody needs, and so with all before it.

        It is of another session, of a settled segment or of a dead attempt. After each of these the
        segment at hand can only begin again, from its first frame. If what was read of it were kept
        until then, a ring that a dead worker had filled would have no room for that first record.
        """
        self.step_past()
        self._line[layout.SLOT_EMISSION_COMMIT] = self._tail

    def give_up(self, epoch: int, error: CorruptRecordError) -> None:
        """This session cannot go on: a record of it is corrupt. Its frontend ends it."""
        log.error("slot %d, a session is given up: %s", self.slot, error)
        self._line[layout.SLOT_DECODER_GAVE_UP] = epoch

    def has_given_up(self, epoch: int) -> bool:
        """Whether `give_up` has been called for it, by this process or one before it."""
        return self._line[layout.SLOT_DECODER_GAVE_UP] == epoch

    def begin_attempt(self) -> None:
        """The next record opens a new attempt at the segment: older ones are freed (rule R5)."""
        self._line[layout.SLOT_EMISSION_COMMIT] = self._tail

    def language_at_hand(self) -> int | None:
        """The number of the model with which a predecessor began the segment at hand."""
        return number_at_hand(self._reader, self._line[layout.SLOT_LANGUAGE])

    def language_of(self, epoch: int, segment_start: int, newest: int) -> int:
        """The number of the model to search a segment with, before its first frame is searched.

        The one that it was begun with; ``newest`` for one that begins now, and ever after.
        """
        word = self._line[layout.SLOT_LANGUAGE]
        number = number_in(word, epoch, segment_start)
        if number is None:
            number = newest
            self._line[layout.SLOT_LANGUAGE] = word_of(epoch, segment_start, newest)
        return number

    def publish(self, record: OutboxRecord) -> None:
        """Payload, then head: for a final, the one store that settles it. Then commits and bell."""
        assert self.has_room, "results are never overwritten"
        head = self._line[layout.SLOT_OUTBOX_HEAD]
        offset = self._plane.layout.outbox_record(self.slot, head)
        buffer = self._plane.bytes(offset, layout.OUTBOX_RECORD_BYTES)
        write_outbox(buffer, head, record, self._times())
        self._line[layout.SLOT_OUTBOX_EPOCH] = record.epoch
        self._line[layout.SLOT_OUTBOX_HEAD] = head + 1
        if record.hypothesis.is_final:
            self._line[layout.SLOT_AUDIO_COMMIT] = record.resume.sample
            self._line[layout.SLOT_MARK_COMMIT] = record.resume.mark
            self._line[layout.SLOT_EMISSION_COMMIT] = record.resume.emission
        self._bells.frontends[self._frontend[layout.SLOT_OWNER]].ring()

    def _times(self) -> tuple[int, ...]:
        """Of the chunk in the record at hand, up to the end of its search; see `shm.trace`."""
        record = self._emission(self._tail)
        searched_ns = self.searched_ns or time.monotonic_ns()
        return (*earlier_of(record, OF_EMISSION), stamp_of(record), searched_ns)

    def pause(self, start: int) -> int | None:
        """Up to where to hear the segment that begins at ``start``, if its audio has paused."""
        stop = self._worker[layout.SLOT_PAUSE_STOP]
        longest = MAX_HEARD_S * self._plane.geometry.sample_rate_hz
        is_whole = self._worker[layout.SLOT_PAUSE_START] == start < stop <= start + longest
        return stop if is_whole and self._worker[layout.SLOT_PAUSE_STOP] == stop else None

    def ask(self, start: int, stop: int, purpose: Purpose) -> int:
        """Asks the second pass what it hears from sample ``start`` to ``stop``, 30 s at most.

        The audio must stay uncommitted until the answer is here. A question that is still open is
        forgotten.

        Returns:
            The question's number, for `answer`.
        """
        longest = MAX_HEARD_S * self._plane.geometry.sample_rate_hz
        assert start <= stop <= start + longest, "no second pass answers another question"
        number = self._line[layout.SLOT_ASKED] + 1
        self._line[layout.SLOT_ASKED_START] = start
        self._line[layout.SLOT_ASKED_STOP] = stop
        self._line[layout.SLOT_ASKED_FOR] = purpose
        self._line[layout.SLOT_ASKED] = number
        self._bells.second_pass_of(self.slot).ring()
        return number

    def withdraw(self) -> int:
        """Nobody waits for the newest question any more: nothing is asked instead.

        Left open, it would be heard for nobody, and again by the successor of every second pass
        that dies of it. Returns the number of what is asked instead.
        """
        start = self._line[layout.SLOT_ASKED_START]
        return self.ask(start, start, Purpose.PARTIAL)

    def hurry(self) -> None:
        """The newest question was asked ahead, and now a final waits for its answer."""
        self._line[layout.SLOT_ASKED_FOR] = Purpose.FINAL

    def answer(self, number: int) -> tuple[Heard, ...] | None:
        """What the second pass heard, best first; None while the newest question is open.

        An answer that cannot be believed is none: nothing was heard.
        """
        assert number == self._line[layout.SLOT_ASKED], "only the newest question is answered"
        if self._second_pass[layout.SLOT_ANSWERED] != number:
            return None
        offset = self._plane.layout.answer(self.slot)
        try:
            return read_heard(self._plane.bytes(offset, layout.ANSWER_BYTES))
        except CorruptRecordError as error:
            log.error("slot %d, an answer of the second pass: %s", self.slot, error)
            return ()

    @property
    def second_pass_failed_starts(self) -> int:
        """How many of the slot's second passes in a row died before they had gone round once."""
        return ProcessLine(self._plane, self._plane.layout.second_pass_of(self.slot)).failed_starts

    def _emission(self, index: int) -> memoryview:
        offset = self._plane.layout.emission_record(self.slot, index)
        return self._plane.bytes(offset, self._plane.geometry.emission_record_bytes)

    def _repair(self) -> None:
        """Brings the commits up to the newest record, of whatever session: indices only grow.

        One that is corrupt leaves them behind: its session is given up as soon as it goes on.
        """
        head = self._line[layout.SLOT_OUTBOX_HEAD]
        if head == 0:
            return
        offset = self._plane.layout.outbox_record(self.slot, head - 1)
        buffer = self._plane.bytes(offset, layout.OUTBOX_RECORD_BYTES)
        try:
            resume = read_outbox(buffer, head - 1).resume
        except CorruptRecordError as error:
            log.error("slot %d, its newest result: %s", self.slot, error)
            return
        for word, settled in (
            (layout.SLOT_AUDIO_COMMIT, resume.sample),
            (layout.SLOT_MARK_COMMIT, resume.mark),
            (layout.SLOT_EMISSION_COMMIT, resume.emission),
        ):
            self._line[word] = max(self._line[word], settled)
