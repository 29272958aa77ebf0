"""Where everything lies in the shared plane, worked out once and proven before anything maps it.

The plane is one memfd: a header, one line and one block of figures per process, and per slot five
lines of control words (frontend, its client, worker, decoder, second pass), a ring of marks, a ring
of arrival times, an audio ring, an emission ring, an outbox, the newest answer of the second pass,
and who its client is and what it was told. A line is 128 bytes, two cache lines, so that writers
never share one. Every word has exactly one writer.

Sizes follow from `Geometry`; offsets from `Layout`. Importing this module proves the constants.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

LINE_BYTES: Final = 128
LINE_WORDS: Final = LINE_BYTES // 8
PAGE_BYTES: Final = 4096
MAGIC: Final = int.from_bytes(b"RTENGIN1", "little")
LAYOUT_VERSION: Final = 9

MAX_SEGMENT_S: Final = 20
"""An utterance is cut here at the latest: what a restart must be able to replay."""
RESTART_BUDGET_S: Final = 20
"""Audio that may arrive while a dead worker is replaced, without stopping any client."""
SLACK_S: Final = 10
"""What a burst of queued messages adds before back-pressure reaches the socket."""
MIN_RING_S: Final = 60
MARK_RECORDS: Final = 16
MARK_WORDS: Final = 3
OUTBOX_RECORDS: Final = 16
OUTBOX_RECORD_BYTES: Final = 65_536
"""Room for a word per frame of the longest segment, in word pieces; pages cost nothing unused."""
ANSWER_BYTES: Final = 16_384
"""Room for the hypotheses that a second pass finds in the longest segment."""
SHEET_BYTES: Final = 512
"""Who a session's client is; see `shm.sheet`."""
SAID_BYTES: Final = 1 << 18
"""Messages that its client may not have got: finals of some minutes, and any single one."""
FIGURE_WORDS: Final = 96
"""Counters and buckets of one process; see `shm.figures`."""
ARRIVAL_BYTES: Final = 16
"""Two times; see `shm.arrivals`."""
RECORD_STAMP: Final = LINE_BYTES - 8
"""Offset, in an emission or outbox record, of the monotonic time in ns when it was published.
The times of its chunk are in the words before: see `shm.stamp`."""
MAX_SLOTS: Final = 4096
MAX_PROCESSES: Final = 256

assert MAX_SEGMENT_S + RESTART_BUDGET_S + SLACK_S <= MIN_RING_S, "a segment must fit its ring"
assert OUTBOX_RECORDS >= 2, "an outbox of one record loses the last final to the next write"
for _records in (MARK_RECORDS, OUTBOX_RECORDS):
    assert _records & (_records - 1) == 0, "a mask wraps the indices"


def power_of_two_at_least(minimum: int) -> int:
    """The smallest power of two that is not below ``minimum`` (>= 1)."""
    return 1 << (minimum - 1).bit_length()


@dataclass(frozen=True, slots=True)
class Geometry:
    """What decides every size of the plane. All fields are positive integers.

    Only ``second_passes`` may be 0: an engine without a second pass.

    Raises:
        ValueError: a field is out of range; the message names it and says what would be right.
    """

    slots: int
    frontends: int
    workers: int
    decoders: int
    sample_rate_hz: int
    chunk_frames: int
    frame_samples: int
    vocabulary_size: int
    second_passes: int = 0

    def __post_init__(self) -> None:
        limits = {
            "slots": MAX_SLOTS,
            "frontends": MAX_PROCESSES,
            "workers": MAX_PROCESSES,
            "decoders": MAX_PROCESSES,
            "sample_rate_hz": 192_000,
            "chunk_frames": 4096,
            "frame_samples": 65_536,
            "vocabulary_size": 65_536,
            "second_passes": MAX_PROCESSES,
        }
        for name, limit in limits.items():
            value = getattr(self, name)
            lowest = 0 if name == "second_passes" else 1
            if not lowest <= value <= limit:
                raise ValueError(f"{name} must be from {lowest} to {limit}, not {value}")

    @property
    def chunk_samples(self) -> int:
        return self.chunk_frames * self.frame_samples

    @property
    def max_segment_frames(self) -> int:
        return MAX_SEGMENT_S * self.sample_rate_hz // self.frame_samples

    @property
    def ring_samples(self) -> int:
        """Capacity of a slot's audio ring in samples: a power of two, at least 60 s."""
        return power_of_two_at_least(MIN_RING_S * self.sample_rate_hz)

    @property
    def arrivals(self) -> int:
        """Arrivals of a slot: at least one for each frame that its audio ring can hold."""
        frames = -(-self.ring_samples // self.frame_samples)
        return power_of_two_at_least(max(frames + 1, LINE_WORDS))

    @property
    def emission_records(self) -> int:
        """Records of a slot's emission ring: a whole segment, and a second attempt at it."""
        return power_of_two_at_least(2 * (self.max_segment_frames // self.chunk_frames + 2))

    @property
    def emission_record_bytes(self) -> int:
        return LINE_BYTES + _round_up(4 * self.chunk_frames * self.vocabulary_size, LINE_BYTES)


# Header words. The supervisor writes them all, before any child starts (but SHUTDOWN and FAILING).
HEADER_MAGIC: Final = 0
HEADER_VERSION: Final = 1
HEADER_SUPERVISOR_PID: Final = 2
HEADER_SHUTDOWN: Final = 3
HEADER_GEOMETRY: Final = 4
GEOMETRY_FIELDS: Final = 9
HEADER_STARTED_NS: Final = HEADER_GEOMETRY + GEOMETRY_FIELDS
HEADER_FAILING: Final = HEADER_STARTED_NS + 1
assert HEADER_FAILING < LINE_WORDS

# Words of a process line, written by that process.
PROCESS_PID: Final = 0
PROCESS_GENERATION: Final = 1
PROCESS_STATE: Final = 2
PROCESS_HEARTBEAT_NS: Final = 3
PROCESS_ROUNDS: Final = 4
PROCESS_DEVICE: Final = 5  # of a worker or second pass: 0 for the CPU, N + 1 for cuda:N
PROCESS_STREAMS: Final = 6  # that a worker could step in real time, by its own clock at its start
PROCESS_PROVEN: Final = 7  # of a second pass: the newest generation that went round once

# A further word of a frontend's process line.
PROCESS_WISH: Final = 11  # a session that it asks another frontend for; see `shm.wishes`

# Further words of the link's process line.
LINK_SERVERS: Final = 8  # model servers that it is connected to
LINK_CAPACITY: Final = 9  # streams that they have room for, those of this machine included
LINK_ROUND_TRIP_US: Final = 10  # to the model server that answered last, and back

LINES_PER_SLOT: Final = 5  # frontend, client, worker, decoder, second pass

# Words of a slot's frontend line.
SLOT_SESSION: Final = 0  # odd while a client holds the slot: the session's epoch
SLOT_OWNER: Final = 1  # index of the frontend
SLOT_BASE_SAMPLES: Final = 2  # audio head when the session began
SLOT_BASE_MARKS: Final = 3  # mark head when the session began
SLOT_AUDIO_HEAD: Final = 4  # samples written
SLOT_MARK_HEAD: Final = 5  # marks written
SLOT_OUTBOX_TAIL: Final = 6  # outbox records consumed
SLOT_ORIGIN_SAMPLES: Final = 7  # of its stream, those that were settled before the session began
SLOT_PARTIALS: Final = 8  # how often its client wants partials, one of these:
PARTIALS_OF_ENGINE: Final = 0  # as the engine is set
PARTIALS_RARE: Final = 1  # seldom and accurate
PARTIALS_QUICK: Final = 2  # with every chunk
SLOT_TRACE: Final = 9  # from here on, the times of the chunk whose result was sent last
TRACE_WORDS: Final = 7
assert SLOT_TRACE + TRACE_WORDS <= LINE_WORDS

# Words of a slot's client line, written by the frontend as well: what it must not take with it.
CLIENT_HEADER_BYTES: Final = 0  # bytes from its client before the session's first sample
CLIENT_SAID: Final = 1  # messages that it has been sent
CLIENT_CONFIRMED: Final = 2  # of which so many have arrived
CLIENT_SAID_HEAD: Final = 3  # bytes written to the ring of what was said
CLIENT_SAID_TAIL: Final = 4  # bytes before it are never needed again
CLIENT_LOST: Final = 5  # whether there was no room for one that may not have arrived

# Words of a slot's worker line.
SLOT_EMISSION_HEAD: Final = 0  # emission records written
SLOT_POSITION_SAMPLES: Final = 1  # audio turned into emissions
SLOT_PAUSE_START: Final = 2  # the segment whose audio has paused begins at this sample
SLOT_PAUSE_STOP: Final = 3  # and need be heard up to this one; 0 while these two are written
SLOT_WORKER_GAVE_UP: Final = 4  # epoch of the session that it cannot go on with

# Words of a slot's decoder line.
SLOT_AUDIO_COMMIT: Final = 0  # samples before it are never needed again
SLOT_MARK_COMMIT: Final = 1  # marks before it are answered
SLOT_EMISSION_COMMIT: Final = 2  # records before it are never needed again
SLOT_OUTBOX_HEAD: Final = 3  # outbox records written
SLOT_EMISSION_TAIL: Final = 4  # records consumed, for the inspector
SLOT_ASKED: Final = 5  # questions put to the second pass
SLOT_ASKED_START: Final = 6  # the newest one: hear the audio from this sample
SLOT_ASKED_STOP: Final = 7  # to this one
SLOT_ASKED_FOR: Final = 8  # what is made of the answer: a `Purpose`
SLOT_OUTBOX_EPOCH: Final = 9  # of the newest outbox record, written before the head
SLOT_DECODER_GAVE_UP: Final = 10  # epoch of the session that it cannot go on with
SLOT_LANGUAGE: Final = 11  # the language model of the segment at hand: see `shm.language`

# Words of a slot's second-pass line.
SLOT_ANSWERED: Final = 0  # number of the question that the slot's answer belongs to
SLOT_HEARINGS: Final = 1  # of a segment, begun and not ended: its start * HEARINGS_LIMIT + count
HEARINGS_LIMIT: Final = 256


class Layout:
    """Byte offsets of the plane for one geometry. Immutable; equal in every process."""

    __slots__ = (
        "answers",
        "arrivals",
        "audio",
        "clients",
        "emissions",
        "figures",
        "geometry",
        "marks",
        "outboxes",
        "processes",
        "slots",
        "total",
    )

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        processes = 2 + sum(
            (geometry.frontends, geometry.workers, geometry.decoders, geometry.second_passes)
        )
        self.processes = PAGE_BYTES
        self.figures = self.processes + processes * LINE_BYTES
        self.slots = _round_up(self.figures + processes * FIGURE_WORDS * 8, PAGE_BYTES)
        self.marks = self.slots + geometry.slots * LINES_PER_SLOT * LINE_BYTES
        self.arrivals = _round_up(
            self.marks + geometry.slots * MARK_WORDS * MARK_RECORDS * 8, LINE_BYTES
        )
        self.audio = _round_up(
            self.arrivals + geometry.slots * geometry.arrivals * ARRIVAL_BYTES, PAGE_BYTES
        )
        self.emissions = self.audio + geometry.slots * self.audio_bytes
        self.outboxes = self.emissions + geometry.slots * self.emission_bytes
        self.answers = self.outboxes + geometry.slots * OUTBOX_RECORDS * OUTBOX_RECORD_BYTES
        self.clients = self.answers + geometry.slots * ANSWER_BYTES
        self.total = self.clients + geometry.slots * (SHEET_BYTES + SAID_BYTES)

    @property
    def audio_bytes(self) -> int:
        """Bytes of one slot's audio ring, 16-bit samples."""
        return 2 * self.geometry.ring_samples

    @property
    def emission_bytes(self) -> int:
        """Bytes of one slot's emission ring."""
        return _round_up(
            self.geometry.emission_records * self.geometry.emission_record_bytes, PAGE_BYTES
        )

    def frontend_process(self, index: int) -> int:
        return self.processes + LINE_BYTES * (1 + index)

    def worker_process(self, index: int) -> int:
        return self.frontend_process(self.geometry.frontends + index)

    def decoder_process(self, index: int) -> int:
        return self.worker_process(self.geometry.workers + index)

    def second_pass_process(self, index: int) -> int:
        return self.decoder_process(self.geometry.decoders + index)

    @property
    def link_process(self) -> int:
        """The one place for a link, which stands in for workers and decoders elsewhere."""
        return self.second_pass_process(self.geometry.second_passes)

    def second_pass_of(self, slot: int) -> int:
        """The process line of a slot's second pass."""
        return self.second_pass_process(slot % self.geometry.second_passes)

    def figures_of(self, process: int) -> int:
        """The figures of the process whose line is at ``process``."""
        number = (process - self.processes) // LINE_BYTES
        return self.figures + number * FIGURE_WORDS * 8

    def frontend_line(self, slot: int) -> int:
        return self.slots + slot * LINES_PER_SLOT * LINE_BYTES

    def client_line(self, slot: int) -> int:
        return self.frontend_line(slot) + LINE_BYTES

    def worker_line(self, slot: int) -> int:
        return self.frontend_line(slot) + 2 * LINE_BYTES

    def decoder_line(self, slot: int) -> int:
        return self.frontend_line(slot) + 3 * LINE_BYTES

    def second_pass_line(self, slot: int) -> int:
        return self.frontend_line(slot) + 4 * LINE_BYTES

    def mark_ring(self, slot: int) -> int:
        return self.marks + slot * MARK_WORDS * MARK_RECORDS * 8

    def mark_origins(self, slot: int) -> int:
        """For each mark in the ring, what its client had sent by then: see `FrontendSlot`."""
        return self.mark_ring(slot) + MARK_RECORDS * 8

    def mark_dones(self, slot: int) -> int:
        """For each mark in the ring, how many `done` there were, its own included."""
        return self.mark_origins(slot) + MARK_RECORDS * 8

    def arrival_ring(self, slot: int) -> int:
        return self.arrivals + slot * self.geometry.arrivals * ARRIVAL_BYTES

    def audio_ring(self, slot: int) -> int:
        return self.audio + slot * self.audio_bytes

    def emission_record(self, slot: int, index: int) -> int:
        wrapped = index & (self.geometry.emission_records - 1)
        return (
            self.emissions
            + slot * self.emission_bytes
            + wrapped * self.geometry.emission_record_bytes
        )

    def outbox_record(self, slot: int, index: int) -> int:
        wrapped = index & (OUTBOX_RECORDS - 1)
        return self.outboxes + (slot * OUTBOX_RECORDS + wrapped) * OUTBOX_RECORD_BYTES

    def answer(self, slot: int) -> int:
        return self.answers + slot * ANSWER_BYTES

    def sheet(self, slot: int) -> int:
        return self.clients + slot * (SHEET_BYTES + SAID_BYTES)

    def said(self, slot: int) -> int:
        return self.sheet(slot) + SHEET_BYTES


def geometry_words(geometry: Geometry) -> tuple[int, ...]:
    """The geometry as the words that the header holds."""
    words = astuple(geometry)
    assert len(words) == GEOMETRY_FIELDS
    return words


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
