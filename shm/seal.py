"""A check word for every record: what is read is what was written, or it is not read at all.

A record may be wrong by a fault of the memory or by a stray store of some process that maps the
plane. CRC-32 finds every change of up to 32 bits in a row, and of any others all but one in four
thousand million. Whoever reads a record that is not sealed gives up the session that it is of; see
`shm.session`.
"""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

CHECK: Final = struct.Struct("<I")


class CorruptRecordError(Exception):
    """A record in the plane is not what its writer left there."""


def seal(record: memoryview, at: int, size: int) -> None:
    """Writes the check word at byte ``at``: of the first ``size`` bytes, but for itself."""
    CHECK.pack_into(record, at, _check(record, at, size))


def check(record: memoryview, at: int, size: int) -> None:
    """Compares them with the word.

    Raises:
        CorruptRecordError: it is another one, or the record is not so large.
    """
    if not at + CHECK.size <= size <= len(record):
        raise CorruptRecordError(f"a record of {size} bytes where {len(record)} have room")
    if CHECK.unpack_from(record, at)[0] != _check(record, at, size):
        raise CorruptRecordError("a record is not as it was written")


def check_index(found: int, index: int) -> None:
    """Compares the index that a record holds with the one it was looked up by.

    Raises:
        CorruptRecordError: it is another record's.
    """
    if found != index:
        raise CorruptRecordError(f"record {found} where {index} should be")


def _check(record: memoryview, at: int, size: int) -> int:
    return crc32(record[at + CHECK.size : size], crc32(record[:at]))
