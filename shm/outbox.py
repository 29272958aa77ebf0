"""An outbox record: a hypothesis on its way to the client, and where a restart would begin.

Every record repeats the coordinates of the last final (segment, samples, marks, emissions), so the
newest record alone is enough to recover from, whoever died.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shm.layout import LINE_BYTES, OUTBOX_RECORD_BYTES, RECORD_STAMP
from shm.records import Hypothesis, Word
from shm.seal import CHECK, CorruptRecordError, check, check_index, seal
from shm.stamp import stamp
from shm.trace import OF_OUTBOX

_HEADER: Final = struct.Struct("<QQQQQQQQQf")
_WORD: Final = struct.Struct("<QQfHH")
assert _HEADER.size + CHECK.size <= RECORD_STAMP - 8 * OF_OUTBOX
_FINAL, _REQUESTED = 1, 2


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """What is settled in a session: everything before it has reached the outbox as a final."""

    segment: int  # the next segment's number, counted from 0 in the session
    sample: int  # where it begins
    mark: int  # marks answered so far
    emission: int  # first emission record that belongs to it, or is older than its first
    partial_sample: int  # audio covered by the newest partial of that segment

    @staticmethod
    def of_session(base_sample: int, base_mark: int) -> ResumePoint:
        """Where a session begins."""
        return ResumePoint(0, base_sample, base_mark, 0, base_sample)


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """``requested`` marks a final that answers a mark and is sent even when it has no words."""

    epoch: int
    hypothesis: Hypothesis
    requested: bool
    resume: ResumePoint


def fits(hypothesis: Hypothesis) -> bool:
    """Whether a record has room for it; every utterance that was decoded here does."""
    texts = sum(len(word.text.encode()) for word in hypothesis.words)
    return LINE_BYTES + len(hypothesis.words) * _WORD.size + texts <= OUTBOX_RECORD_BYTES


def write_outbox(
    buffer: memoryview, index: int, record: OutboxRecord, times_ns: Sequence[int] = ()
) -> None:
    """Fills one record of an outbox, stamps and seals it. The outbox's head publishes it."""
    offset = LINE_BYTES
    for word in record.hypothesis.words:
        text = word.text.encode()
        assert offset + _WORD.size + len(text) <= OUTBOX_RECORD_BYTES, "an utterance fits a record"
        _WORD.pack_into(
            buffer,
            offset,
            word.start_ms,
            word.end_ms,
            word.confidence,
            int(word.stable),
            len(text),
        )
        offset += _WORD.size
        buffer[offset : offset + len(text)] = text
        offset += len(text)
    flags = _FINAL * record.hypothesis.is_final | _REQUESTED * record.requested
    resume = record.resume
    _HEADER.pack_into(
        buffer,
        0,
        index,
        record.epoch,
        flags,
        resume.segment,
        resume.sample,
        resume.mark,
        resume.emission,
        resume.partial_sample,
        offset << 32 | len(record.hypothesis.words),
        record.hypothesis.confidence,
    )
    stamp(buffer, times_ns)
    seal(buffer, _HEADER.size, offset)


def read_outbox(buffer: memoryview, index: int) -> OutboxRecord:
    """The record as it stands; nothing of it refers to ``buffer`` afterwards.

    Raises:
        CorruptRecordError: it is not what `write_outbox` left there for ``index``.
    """
    fields = _HEADER.unpack_from(buffer)
    check_index(fields[0], index)
    size, count = fields[8] >> 32, fields[8] & 0xFFFFFFFF
    check(buffer, _HEADER.size, size)
    try:
        words = _words(buffer[:size], count)
    except (struct.error, ValueError) as error:
        raise CorruptRecordError(f"a record of no words ({error})") from error
    return OutboxRecord(
        epoch=fields[1],
        hypothesis=Hypothesis(words, fields[9], bool(fields[2] & _FINAL)),
        requested=bool(fields[2] & _REQUESTED),
        resume=ResumePoint(*fields[3:8]),
    )


def _words(record: memoryview, count: int) -> tuple[Word, ...]:
    words = []
    offset = LINE_BYTES
    for _ in range(count):
        start_ms, end_ms, confidence, stable, length = _WORD.unpack_from(record, offset)
        offset += _WORD.size
        text = str(record[offset : offset + length], "utf-8")
        words.append(Word(text, confidence, start_ms, end_ms, bool(stable)))
        offset += length
    return tuple(words)
