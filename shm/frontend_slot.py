"""A frontend's side of the plane: claiming a slot, writing audio and marks, taking results.

A slot belongs to the process that holds the record lock on byte ``slot`` of the memfd. The kernel
drops the lock with its holder, so no crash leaves a slot taken; and only the holder writes the
slot's frontend line, so every word keeps one writer.
"""

from __future__ import annotations

import fcntl
from typing import Final

from shm import layout
from shm.audio_ring import Samples, copy_in
from shm.doorbells import Doorbells
from shm.outbox import OutboxRecord, read_outbox
from shm.plane import Plane
from shm.seal import CorruptRecordError
from shm.stamp import earlier_of, stamp_of
from shm.trace import OF_OUTBOX, Trace

MOST_AHEAD_S: Final = 10
"""Audio that may lie in a slot before the worker has computed it. A client's pings wait behind its
audio: one that sends a file as fast as it can must not wait so long that it gives up."""
MOST_AHEAD_CHUNKS: Final = 4
"""At least so much in any case: a chunk is computed when its look-ahead is there."""


class SlotPool:
    """The slots that this frontend may claim: any that nobody holds."""

    __slots__ = ("_bells", "_frontend", "_next", "_plane", "_slots")

    def __init__(self, plane: Plane, bells: Doorbells, frontend: int) -> None:
        self._plane = plane
        self._bells = bells
        self._frontend = frontend
        self._slots: dict[int, FrontendSlot] = {}
        self._next = 0
        self._end_predecessors_sessions()

    def claim(
        self, origin_samples: int = 0, partials: int = layout.PARTIALS_OF_ENGINE
    ) -> FrontendSlot | None:
        """A free slot with a fresh session, or None when every slot is held.

        ``origin_samples`` of its stream were settled before: times count from before them.
        """
        slots = self._plane.geometry.slots
        for step in range(slots):
            slot = (self._next + step) % slots
            if slot not in self._slots and self._lock(slot):
                self._next = slot + 1
                self._slots[slot] = FrontendSlot(
                    self._plane, self._bells, slot, self._frontend, origin_samples, partials
                )
                return self._slots[slot]
        return None

    def release(self, slot: FrontendSlot) -> None:
        """Ends the session at once: what was not finalised is dropped with it."""
        del self._slots[slot.slot]
        slot.end_session()
        fcntl.lockf(self._plane.fd, fcntl.LOCK_UN, 1, slot.slot)

    @property
    def held(self) -> int:
        return len(self._slots)

    def _lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._plane.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _end_predecessors_sessions(self) -> None:
        """A frontend that died left its sessions open; its successor closes them."""
        for slot in range(self._plane.geometry.slots):
            if self._is_left_open(slot) and self._lock(slot):
                # Another frontend may have claimed and released it before the lock was ours.
                if self._is_left_open(slot):
                    line = self._plane.line(self._plane.layout.frontend_line(slot))
                    line[layout.SLOT_SESSION] = line[layout.SLOT_SESSION] + 1
                fcntl.lockf(self._plane.fd, fcntl.LOCK_UN, 1, slot)

    def _is_left_open(self, slot: int) -> bool:
        line = self._plane.line(self._plane.layout.frontend_line(slot))
        return bool(line[layout.SLOT_SESSION] & 1) and line[layout.SLOT_OWNER] == self._frontend


class FrontendSlot:
    """One session in one slot, from claim to release."""

    __slots__ = (
        "_audio_head",
        "_base_mark",
        "_base_sample",
        "_bell",
        "_decoder_line",
        "_line",
        "_mark_head",
        "_marks",
        "_marks_answered",
        "_most_ahead",
        "_outbox_tail",
        "_plane",
        "_ring",
        "_worker_line",
        "epoch",
        "slot",
        "taken_times_ns",
    )

    def __init__(
        self,
        plane: Plane,
        bells: Doorbells,
        slot: int,
        frontend: int,
        origin_samples: int = 0,
        partials: int = layout.PARTIALS_OF_ENGINE,
    ) -> None:
        self.slot = slot
        self._plane = plane
        self._bell = bells.worker_of(slot)
        self._line = plane.line(plane.layout.frontend_line(slot))
        self._decoder_line = plane.line(plane.layout.decoder_line(slot))
        self._worker_line = plane.line(plane.layout.worker_line(slot))
        geometry = plane.geometry
        self._most_ahead = max(
            MOST_AHEAD_S * geometry.sample_rate_hz, MOST_AHEAD_CHUNKS * geometry.chunk_samples
        )
        self._marks = plane.words(plane.layout.mark_ring(slot), layout.MARK_RECORDS)
        self._ring = plane.audio_ring(slot)
        self._audio_head = self._base_sample = self._line[layout.SLOT_AUDIO_HEAD]
        self._mark_head = self._base_mark = self._line[layout.SLOT_MARK_HEAD]
        self._marks_answered = self._base_mark
        self._outbox_tail = self._decoder_line[layout.SLOT_OUTBOX_HEAD]
        self.taken_times_ns: tuple[int, ...] = (0,) * (OF_OUTBOX + 1)
        """Of the result that `take` gave last: its `shm.trace` until it was published."""
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
        self.epoch = closed + 1
        self._line[layout.SLOT_SESSION] = self.epoch
        self._bell.ring()

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
        """Marks that may be set now, counted from the commit like the audio's room."""
        commit = max(self._base_mark, self._decoder_line[layout.SLOT_MARK_COMMIT])
        return layout.MARK_RECORDS - (self._mark_head - commit)

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

    def write_mark(self) -> None:
        """Asks for a final of all audio written so far, even if it is empty."""
        assert self.free_marks > 0, "marks are never dropped"
        self._marks[self._mark_head & (layout.MARK_RECORDS - 1)] = self._audio_head
        self._mark_head += 1
        self._line[layout.SLOT_MARK_HEAD] = self._mark_head
        self._bell.ring()

    def take(self) -> OutboxRecord | None:
        """The next result of this session, if there is one.

        Raises:
            CorruptRecordError: it cannot be believed, or worker or decoder have met with such a
                record and given the session up. It cannot go on.
        """
        while self._outbox_tail != self._decoder_line[layout.SLOT_OUTBOX_HEAD]:
            offset = self._plane.layout.outbox_record(self.slot, self._outbox_tail)
            buffer = self._plane.bytes(offset, layout.OUTBOX_RECORD_BYTES)
            record = read_outbox(buffer, self._outbox_tail)
            self.taken_times_ns = (*earlier_of(buffer, OF_OUTBOX), stamp_of(buffer))
            self._outbox_tail += 1
            self._line[layout.SLOT_OUTBOX_TAIL] = self._outbox_tail
            if record.epoch == self.epoch:
                self._marks_answered = record.resume.mark
                return record
        if self._worker_line[layout.SLOT_WORKER_GAVE_UP] == self.epoch:
            raise CorruptRecordError("the worker cannot tell where the session stands")
        if self._decoder_line[layout.SLOT_DECODER_GAVE_UP] == self.epoch:
            raise CorruptRecordError("the decoder cannot go on with the session")
        return None

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
