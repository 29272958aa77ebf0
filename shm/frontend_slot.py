"""A frontend's side of a slot: audio and marks in, results out, and what its successor must know.

A frontend that dies takes sockets and resamplers with it. What it has written of a session stays,
and its successor goes on from there (`FrontendSlot.find`): the session, how much of the client's
stream is in the rings, who the client is and what it has been told.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from shm import layout
from shm.audio_ring import Samples, copy_in
from shm.doorbells import Doorbells
from shm.outbox import OutboxRecord, read_outbox
from shm.plane import Plane
from shm.said import Said
from shm.seal import CorruptRecordError
from shm.sheet import read_sheet, write_sheet
from shm.stamp import earlier_of, stamp_of
from shm.trace import OF_OUTBOX, Trace

MOST_AHEAD_S: Final = 10
"""Audio that may lie in a slot before the worker has computed it. A client's pings wait behind its
audio: one that sends a file as fast as it can must not wait so long that it gives up."""
MOST_AHEAD_CHUNKS: Final = 4
"""At least so much in any case: a chunk is computed when its look-ahead is there."""


class NewestMark(NamedTuple):
    """Where a stream's resampler began afresh: at this sample of the slot, and behind so much of
    what the client had sent."""

    sample: int
    received_bytes: int
    dones: int


class FrontendSlot:
    """One session in one slot, from claim to release."""

    __slots__ = (
        "_audio_head",
        "_base_mark",
        "_base_sample",
        "_bell",
        "_client_line",
        "_decoder_line",
        "_line",
        "_mark_dones",
        "_mark_head",
        "_mark_origins",
        "_marks",
        "_marks_answered",
        "_most_ahead",
        "_outbox_tail",
        "_plane",
        "_ring",
        "_worker_line",
        "epoch",
        "said",
        "slot",
        "taken_times_ns",
    )

    def __init__(self, plane: Plane, bells: Doorbells, slot: int) -> None:
        """Call `begin` or `find` instead."""
        self.slot = slot
        self._plane = plane
        self._bell = bells.worker_of(slot)
        self._line = plane.line(plane.layout.frontend_line(slot))
        self._client_line = plane.line(plane.layout.client_line(slot))
        self._decoder_line = plane.line(plane.layout.decoder_line(slot))
        self._worker_line = plane.line(plane.layout.worker_line(slot))
        geometry = plane.geometry
        self._most_ahead = max(
            MOST_AHEAD_S * geometry.sample_rate_hz, MOST_AHEAD_CHUNKS * geometry.chunk_samples
        )
        self._marks = plane.words(plane.layout.mark_ring(slot), layout.MARK_RECORDS)
        self._mark_origins = plane.words(plane.layout.mark_origins(slot), layout.MARK_RECORDS)
        self._mark_dones = plane.words(plane.layout.mark_dones(slot), layout.MARK_RECORDS)
        self._ring = plane.audio_ring(slot)
        self._audio_head = self._line[layout.SLOT_AUDIO_HEAD]
        self._mark_head = self._line[layout.SLOT_MARK_HEAD]
        self.said = Said.of_slot(plane, slot)
        """What the session has said to its client, if it is one that may be come back to."""
        self.taken_times_ns: tuple[int, ...] = (0,) * (OF_OUTBOX + 1)
        """Of the result that `take` gave last: its `shm.trace` until it was published."""

    @classmethod
    def begin(
        cls,
        plane: Plane,
        bells: Doorbells,
        slot: int,
        frontend: int,
        origin_samples: int = 0,
        partials: int = layout.PARTIALS_OF_ENGINE,
    ) -> FrontendSlot:
        """A fresh session; the last arguments are those of `SlotPool.claim`."""
        begun = cls(plane, bells, slot)
        begun._begin(frontend, origin_samples, partials)
        return begun

    @classmethod
    def find(cls, plane: Plane, bells: Doorbells, slot: int, frontend: int) -> FrontendSlot:
        """The session that is open in the slot, as the frontend that had it has left it."""
        found = cls(plane, bells, slot)
        if found._line[layout.SLOT_OWNER] != frontend:
            found._line[layout.SLOT_OWNER] = frontend  # its results are announced here from now on
        found.epoch = found._line[layout.SLOT_SESSION]
        found._base_sample = found._line[layout.SLOT_BASE_SAMPLES]
        found._base_mark = found._line[layout.SLOT_BASE_MARKS]
        found._outbox_tail = found._line[layout.SLOT_OUTBOX_TAIL]
        # Of what was answered, each result that was not taken has answered one mark at most. So
        # more may seem to be pending than are, until the next one is taken.
        answered = found._decoder_line[layout.SLOT_MARK_COMMIT]
        untaken = found._decoder_line[layout.SLOT_OUTBOX_HEAD] - found._outbox_tail
        found._marks_answered = max(found._base_mark, answered - untaken)
        return found

    def _begin(self, frontend: int, origin_samples: int, partials: int) -> None:
        self._base_sample = self._audio_head
        self._base_mark = self._marks_answered = self._mark_head
        self._outbox_tail = self._decoder_line[layout.SLOT_OUTBOX_HEAD]
        # A claimed slot may still look open if its holder died: close it, then write the base
        # words, then open. Readers trust the base words only between two reads of an odd epoch.
        closed = self._line[layout.SLOT_SESSION]
        closed += closed & 1
        self._line[layout.SLOT_SESSION] = closed
        self._line[layout.SLOT_OWNER] = frontend
        self._line[layout.SLOT_BASE_SAMPLES] = self._audio_head
        self._line[layout.SLOT_BASE_MARKS] = self._mark_head
        self._line[layout.SLOT_ORIGIN_SAMPLES] = origin_samples
        self._line[layout.SLOT_PARTIALS] = partials
        self._line[layout.SLOT_OUTBOX_TAIL] = self._outbox_tail
        self._client_line[layout.CLIENT_HEADER_BYTES] = 0
        self.said.begin(self._outbox_tail)
        self.epoch = closed + 1
        self._line[layout.SLOT_SESSION] = self.epoch
        self._bell.ring()

    # -- what a successor must know

    def introduce(self, client: bytes) -> None:
        """Who the session's client is, in `shm.sheet.MOST_BYTES`. Without it nobody goes on."""
        write_sheet(self._sheet, self.epoch, client)

    def client(self) -> bytes | None:
        """What `introduce` was given in this session, by whichever frontend.

        Raises:
            CorruptRecordError: it cannot be believed.
        """
        return read_sheet(self._sheet, self.epoch)

    def recall(self) -> None:
        """Goes on with what the predecessor has said to the client.

        Raises:
            CorruptRecordError: it cannot be believed.
        """
        self.said.find(self._outbox_tail)
        self._outbox_tail = self.said.outbox_taken

    @property
    def header_bytes(self) -> int:
        """What `audio_begins` was given in this session, by whichever frontend."""
        return self._client_line[layout.CLIENT_HEADER_BYTES]

    def audio_begins(self, header_bytes: int) -> None:
        """The session's first sample comes, behind so many other bytes from its client."""
        self._client_line[layout.CLIENT_HEADER_BYTES] = header_bytes

    @property
    def marks_set(self) -> int:
        """How many this session has."""
        return self._mark_head - self._base_mark

    def newest_mark(self) -> NewestMark:
        """The session's newest mark; it has one."""
        assert self.marks_set, "no mark of this session"
        at = self._mark_head - 1 & (layout.MARK_RECORDS - 1)
        return NewestMark(self._marks[at], self._mark_origins[at] >> 1, self._mark_dones[at])

    @property
    def _sheet(self) -> memoryview:
        return self._plane.bytes(self._plane.layout.sheet(self.slot), layout.SHEET_BYTES)

    # -- positions

    @property
    def audio_head(self) -> int:
        """Samples written since the slot's first."""
        return self._audio_head

    @property
    def base_sample(self) -> int:
        """Where the session began: the slot's samples until then."""
        return self._base_sample

    @property
    def base_mark(self) -> int:
        """The slot's marks before the session."""
        return self._base_mark

    @property
    def computed_samples(self) -> int:
        """Samples of this session that the worker has turned into emissions."""
        return max(0, self._worker_line[layout.SLOT_POSITION_SAMPLES] - self._base_sample)

    @property
    def received_samples(self) -> int:
        """Samples written in this session."""
        return self._audio_head - self._base_sample

    @property
    def free_samples(self) -> int:
        """Room in the ring. It counts from the commit: what a restart would replay stays."""
        commit = max(self._base_sample, self._decoder_line[layout.SLOT_AUDIO_COMMIT])
        return self._plane.geometry.ring_samples - (self._audio_head - commit)

    @property
    def wanted_samples(self) -> int:
        """How much audio to write now, 0 or less for none: what the ring has room for, and the
        worker is not too far behind to compute soon.
        """
        position = max(self._base_sample, self._worker_line[layout.SLOT_POSITION_SAMPLES])
        return min(self.free_samples, self._most_ahead - (self._audio_head - position))

    @property
    def free_marks(self) -> int:
        """Marks that may be set now. Room counts from the results that were taken, never past the
        commit: what a mark was set for is looked up when its final is taken.
        """
        return max(0, layout.MARK_RECORDS - self.marks_pending)

    @property
    def marks_pending(self) -> int:
        """Marks whose finals have not been taken yet."""
        return self._mark_head - self._marks_answered

    def write_audio(self, samples: Samples) -> None:
        """Appends (n,) int16 at the model's rate; the caller has seen that it fits."""
        assert samples.shape[0] <= self.free_samples, "audio is never dropped"
        copy_in(self._ring, self._audio_head, samples)
        self._audio_head += samples.shape[0]
        self._line[layout.SLOT_AUDIO_HEAD] = self._audio_head
        self._bell.ring()

    def write_mark(self, received_bytes: int = 0, dones: int = 0, *, is_last: bool = False) -> None:
        """Asks for a final of all audio written so far, even if it is empty.

        The client had sent ``received_bytes`` and ``dones`` by then, and will send no more if it
        ``is_last``.
        """
        assert self.free_marks > 0, "marks are never dropped"
        at = self._mark_head & (layout.MARK_RECORDS - 1)
        self._marks[at] = self._audio_head
        self._mark_origins[at] = received_bytes << 1 | is_last
        self._mark_dones[at] = dones
        self._mark_head += 1
        self._line[layout.SLOT_MARK_HEAD] = self._mark_head
        self._bell.ring()

    def take(self) -> OutboxRecord | None:
        """The next result of this session, if there is one.

        It stays in the outbox until the next is asked for: a frontend that dies over it leaves it
        to its successor.

        Raises:
            CorruptRecordError: it cannot be believed, or worker or decoder have met with such a
                record and given the session up. It cannot go on.
        """
        if self._line[layout.SLOT_OUTBOX_TAIL] != self._outbox_tail:
            self._line[layout.SLOT_OUTBOX_TAIL] = self._outbox_tail
        while self._outbox_tail != self._decoder_line[layout.SLOT_OUTBOX_HEAD]:
            offset = self._plane.layout.outbox_record(self.slot, self._outbox_tail)
            buffer = self._plane.bytes(offset, layout.OUTBOX_RECORD_BYTES)
            record = read_outbox(buffer, self._outbox_tail)
            self.taken_times_ns = (*earlier_of(buffer, OF_OUTBOX), stamp_of(buffer))
            self._outbox_tail += 1
            if record.epoch == self.epoch:
                self._marks_answered = record.resume.mark
                self.said.outbox_taken = self._outbox_tail
                return record
            self._line[layout.SLOT_OUTBOX_TAIL] = self._outbox_tail
        if self._worker_line[layout.SLOT_WORKER_GAVE_UP] == self.epoch:
            raise CorruptRecordError("the worker cannot tell where the session stands")
        if self._decoder_line[layout.SLOT_DECODER_GAVE_UP] == self.epoch:
            raise CorruptRecordError("the decoder cannot go on with the session")
        return None

    def answers_last(self, record: OutboxRecord) -> bool:
        """Whether it answers a mark behind which its client was to send no more."""
        at = record.resume.mark - 1 & (layout.MARK_RECORDS - 1)
        return record.requested and bool(self._mark_origins[at] & 1)

    def leave_trace(self, trace: Trace) -> None:
        """For whoever looks at the plane: the times of the chunk whose result was sent last.

        The last word is 0 while the others change; see `shm.trace.found_in`.
        """
        self._line[layout.SLOT_TRACE + layout.TRACE_WORDS - 1] = 0
        for word, at_ns in enumerate(trace):
            self._line[layout.SLOT_TRACE + word] = at_ns

    def end_session(self) -> None:
        """The last store of a session; the worker lets go of the lane when it sees it."""
        self._line[layout.SLOT_SESSION] = self.epoch + 1
