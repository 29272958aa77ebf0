"""When a record of an emission ring or an outbox was published: the last word of its first line.

Monotonic time in ns, which all processes of a machine share. For the latency figures alone.
"""

from __future__ import annotations

import struct
import time
from typing import Final

from shm.layout import RECORD_STAMP

_STAMP: Final = struct.Struct("<Q")


def stamp(record: memoryview) -> None:
    """Now. Call before the ring's head is moved."""
    _STAMP.pack_into(record, RECORD_STAMP, time.monotonic_ns())


def stamp_of(record: memoryview) -> int:
    """The time that `stamp` wrote."""
    found: int = _STAMP.unpack_from(record, RECORD_STAMP)[0]
    return found
