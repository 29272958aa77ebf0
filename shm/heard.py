"""What a second pass is asked, and what it heard: its hypotheses, on the way to the decoder."""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shm.layout import MAX_SEGMENT_S, MIN_RING_S
from shm.seal import CHECK, CorruptRecordError, check, seal

MAX_HEARD_S: Final = 30
"""The longest stretch of audio that may be asked about: what Whisper hears at once."""

assert MAX_SEGMENT_S < MAX_HEARD_S <= MIN_RING_S, "any segment can be heard, from its ring"

_SIZE: Final = struct.Struct("<II")  # hypotheses, bytes; the seal follows
_HEADER: Final = struct.Struct("<dI")
_BEGIN: Final = _SIZE.size + CHECK.size


class Purpose(enum.IntEnum):
    """What a question is asked for, the more urgent the higher."""

    PARTIAL = 0  # heard quickly
    AHEAD = 1  # of a final that may come: the utterance has paused
    FINAL = 2  # that a client waits for


@dataclass(frozen=True, slots=True)
class Heard:
    """One hypothesis: words in spoken form, and its log-probability given the audio (natural)."""

    text: str
    log_prob: float


def write_heard(buffer: memoryview, heard: Sequence[Heard]) -> None:
    """Fills ``buffer`` with as many of the hypotheses as it holds, best first."""
    offset = _BEGIN
    count = 0
    for hypothesis in heard:
        text = hypothesis.text.encode()
        end = offset + _HEADER.size + len(text)
        if end > len(buffer):
            break
        _HEADER.pack_into(buffer, offset, hypothesis.log_prob, len(text))
        buffer[offset + _HEADER.size : end] = text
        offset = end
        count += 1
    _SIZE.pack_into(buffer, 0, count, offset)
    seal(buffer, _SIZE.size, offset)


def read_heard(buffer: memoryview) -> tuple[Heard, ...]:
    """The hypotheses; nothing of them refers to ``buffer`` afterwards.

    Raises:
        CorruptRecordError: they are not what `write_heard` left there.
    """
    count, size = _SIZE.unpack_from(buffer)
    check(buffer, _SIZE.size, size)
    offset = _BEGIN
    heard = []
    try:
        for _ in range(count):
            log_prob, length = _HEADER.unpack_from(buffer, offset)
            offset += _HEADER.size
            heard.append(Heard(str(buffer[offset : offset + length], "utf-8"), log_prob))
            offset += length
    except (struct.error, ValueError) as error:
        raise CorruptRecordError(f"an answer of no hypotheses ({error})") from error
    return tuple(heard)
