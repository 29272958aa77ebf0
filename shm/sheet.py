"""Who a session's client is, for a frontend that goes on with it: a few bytes in the plane.

What they mean is the business of those who write and read them (`server.adoption`). A sheet belongs
to one session: it names the epoch.
"""

from __future__ import annotations

import struct
from typing import Final

from shm.layout import SHEET_BYTES
from shm.seal import CHECK, CorruptRecordError, check, seal

_HEADER: Final = struct.Struct("<QI")  # epoch, bytes; the seal follows
_BEGIN: Final = _HEADER.size + CHECK.size
MOST_BYTES: Final = SHEET_BYTES - _BEGIN


def write_sheet(buffer: memoryview, epoch: int, text: bytes) -> None:
    """Fills a slot's sheet; ``text`` has `MOST_BYTES` at most."""
    assert len(text) <= MOST_BYTES, "a sheet is short"
    size = _BEGIN + len(text)
    _HEADER.pack_into(buffer, 0, epoch, size)
    buffer[_BEGIN:size] = text
    seal(buffer, _HEADER.size, size)


def read_sheet(buffer: memoryview, epoch: int) -> bytes | None:
    """What was written for the session of ``epoch``; None if nothing was.

    Raises:
        CorruptRecordError: it is not as it was written, as when its writer died over it.
    """
    found, size = _HEADER.unpack_from(buffer)
    if found != epoch:
        return None
    if not _BEGIN <= size <= len(buffer):
        raise CorruptRecordError(f"a sheet of {size} bytes where {len(buffer)} have room")
    check(buffer, _HEADER.size, size)
    return bytes(buffer[_BEGIN:size])
