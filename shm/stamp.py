"""When a record of an emission ring or an outbox was published, and what came before, in its line.

The last word of the record's first line is the record's own time, the words before it are those of
the chunk of audio that it came of, newest nearest to the line's begin (`shm.trace` names them).
Monotonic times in ns, which all processes of a machine share; for the latency figures alone.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from typing import Final

from shm.layout import RECORD_STAMP

_WORD: Final = struct.Struct("<Q")


def stamp(record: memoryview, earlier: Sequence[int] = ()) -> None:
    """Now, after ``earlier`` times in their order. Call before the ring's head is moved."""
    for back, at_ns in enumerate(earlier, start=1):
        _WORD.pack_into(record, RECORD_STAMP - back * _WORD.size, at_ns)
    _WORD.pack_into(record, RECORD_STAMP, time.monotonic_ns())


def stamp_of(record: memoryview) -> int:
    """The time that `stamp` wrote."""
    found: int = _WORD.unpack_from(record, RECORD_STAMP)[0]
    return found


def earlier_of(record: memoryview, count: int) -> tuple[int, ...]:
    """The first ``count`` earlier times that `stamp` was given."""
    return tuple(
        _WORD.unpack_from(record, RECORD_STAMP - back * _WORD.size)[0]
        for back in range(1, count + 1)
    )
