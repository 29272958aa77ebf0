"""An emission record: the log-probabilities of up to one chunk, from the worker to the decoder."""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shm.layout import LINE_BYTES, RECORD_STAMP
from shm.seal import CHECK, check, check_index, seal
from shm.stamp import stamp
from shm.trace import OF_EMISSION

_HEADER: Final = struct.Struct("<QQQQQQQQQQQ")
assert _HEADER.size + CHECK.size <= RECORD_STAMP - 8 * OF_EMISSION


class SegmentEnd(enum.IntEnum):
    """Why a segment ends with this record, if it does."""

    NONE = 0
    ENDPOINT = 1  # decided from the audio: its final is sent if it holds words
    MARK = 2  # the client asked: its final is sent in any case


@dataclass(frozen=True, slots=True, eq=False)
class Emission:
    """Up to one chunk of a segment.

    The segment's audio counts up to ``covered_sample``; where it has paused by then, a second pass
    need hear it only up to ``heard_sample``. ``log_probs`` is (frames, vocabulary) float32, natural
    logarithms; frames count from the segment's start, samples from the slot's first.
    ``next_sample`` and ``next_mark`` say where the following segment begins once this one has
    ended.
    """

    epoch: int
    segment: int
    segment_start_sample: int
    first_frame: int
    covered_sample: int
    heard_sample: int
    end: SegmentEnd
    next_sample: int
    next_mark: int
    has_speech: bool
    log_probs: NDArray[np.float32]


def write_emission(
    buffer: memoryview, index: int, emission: Emission, times_ns: Sequence[int] = ()
) -> None:
    """Fills one record of an emission ring, stamps and seals it. The ring's head publishes it."""
    frames, vocabulary = emission.log_probs.shape
    _HEADER.pack_into(
        buffer,
        0,
        index,
        emission.epoch,
        emission.segment,
        emission.segment_start_sample,
        emission.first_frame,
        emission.covered_sample,
        emission.heard_sample,
        int(emission.end) | int(emission.has_speech) << 8,
        emission.next_sample,
        emission.next_mark,
        frames << 32 | vocabulary,
    )
    payload = np.frombuffer(buffer, np.float32, frames * vocabulary, LINE_BYTES)
    payload[:] = emission.log_probs.reshape(-1)
    stamp(buffer, times_ns)
    seal(buffer, _HEADER.size, LINE_BYTES + payload.nbytes)


def read_emission(buffer: memoryview, index: int) -> Emission:
    """The record as it stands; its ``log_probs`` is a view that lives as long as the record.

    Raises:
        CorruptRecordError: it is not what `write_emission` left there for ``index``.
    """
    fields = _HEADER.unpack_from(buffer)
    check_index(fields[0], index)
    frames, vocabulary = fields[10] >> 32, fields[10] & 0xFFFFFFFF
    check(buffer, _HEADER.size, LINE_BYTES + 4 * frames * vocabulary)
    log_probs = np.frombuffer(buffer, np.float32, frames * vocabulary, LINE_BYTES)
    return Emission(
        epoch=fields[1],
        segment=fields[2],
        segment_start_sample=fields[3],
        first_frame=fields[4],
        covered_sample=fields[5],
        heard_sample=fields[6],
        end=SegmentEnd(fields[7] & 0xFF),
        next_sample=fields[8],
        next_mark=fields[9],
        has_speech=bool(fields[7] >> 8),
        log_probs=log_probs.reshape(frames, vocabulary),
    )


def ends_segment(buffer: memoryview) -> bool:
    """Whether a segment ends with this record, as long as nobody has checked it."""
    return bool(_HEADER.unpack_from(buffer)[7] & 0xFF)
