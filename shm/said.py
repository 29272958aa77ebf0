"""What a session has said to its client, as long as it may have to be said again.

A ring of bytes in the plane, so that it outlives the frontend that said it. One writer: the
frontend that holds the slot. Messages are numbered from 1. Those that pass (partials: of no use
once another has followed) are counted and not kept. The others are kept until the client has
confirmed that they arrived, and the newest `KEPT_ANYWAY` even then: what a WebSocket has taken, its
program may not have seen. What finds no room in the ring pushes out the oldest; if that may not
have arrived, `lost` says so.

Each entry repeats up to where the outbox had been taken when it was said. So a final is settled by
one store, the ring's head: whoever goes on with the session neither misses it nor says it twice.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from shm import layout
from shm.layout import SAID_BYTES
from shm.plane import Plane
from shm.seal import CHECK, CorruptRecordError, check, seal
from shm.words import Words

KEPT_ANYWAY: Final = 32

_ENTRY: Final = struct.Struct("<QQI")  # number, outbox records taken, bytes; the seal follows
_BEGIN: Final = _ENTRY.size + CHECK.size


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    at: int  # its first byte, counted like the head
    size: int


class Said:
    """The messages of one session. Call `begin` or `find` first."""

    __slots__ = ("_entries", "_line", "_ring", "outbox_taken")

    def __init__(self, line: Words, ring: memoryview) -> None:
        """``ring`` has `SAID_BYTES`; ``line`` is the slot's client line."""
        assert len(ring) == SAID_BYTES
        self._line = line
        self._ring = ring
        self._entries: deque[_Entry] = deque()
        self.outbox_taken = 0
        """Records taken of the slot's outbox, the one that is being answered included."""

    @staticmethod
    def of_slot(plane: Plane, slot: int) -> Said:
        offset = plane.layout.said(slot)
        return Said(plane.line(plane.layout.client_line(slot)), plane.bytes(offset, SAID_BYTES))

    def begin(self, outbox_taken: int) -> None:
        """A session begins: nothing has been said. Before it is opened."""
        self._entries.clear()
        self._line[layout.CLIENT_SAID_TAIL] = self._line[layout.CLIENT_SAID_HEAD]
        self._line[layout.CLIENT_SAID] = 0
        self._line[layout.CLIENT_CONFIRMED] = 0
        self._line[layout.CLIENT_LOST] = 0
        self.outbox_taken = outbox_taken

    def find(self, outbox_taken: int) -> None:
        """Goes on with what a predecessor of this process has said.

        ``outbox_taken`` is what it had stored of the outbox; `outbox_taken` what it had answered.

        Raises:
            CorruptRecordError: an entry cannot be believed.
        """
        self._entries.clear()
        self.outbox_taken = outbox_taken
        at, head = self._line[layout.CLIENT_SAID_TAIL], self._line[layout.CLIENT_SAID_HEAD]
        while at < head:
            number, taken, size = _ENTRY.unpack(self._read(at, _ENTRY.size))
            if not _BEGIN <= size <= head - at:
                raise CorruptRecordError(f"a message of {size} bytes where {head - at} were said")
            check(memoryview(self._read(at, size)), _ENTRY.size, size)
            self._entries.append(_Entry(number, at, size))
            self.outbox_taken = max(self.outbox_taken, taken)
            at += size
        if self._entries:
            self._count(max(self.count, self._entries[-1].number))

    @property
    def count(self) -> int:
        """How many messages there have been."""
        return self._line[layout.CLIENT_SAID]

    @property
    def lost(self) -> bool:
        """Whether one was pushed out that may not have arrived."""
        return self._line[layout.CLIENT_LOST] != 0

    def pass_by(self) -> int:
        """A message that passes is said: its number."""
        self._count(self.count + 1)
        return self.count

    def add(self, message: bytes) -> None:
        """A message is said that has to arrive."""
        number = self.count + 1
        if _BEGIN + len(message) <= SAID_BYTES:
            self._keep(number, message)
        else:
            self._line[layout.CLIENT_LOST] = 1
        self._count(number)

    def confirm(self, number: int) -> None:
        """The messages up to ``number`` have arrived."""
        confirmed = min(number, self.count)
        self._line[layout.CLIENT_CONFIRMED] = max(self._line[layout.CLIENT_CONFIRMED], confirmed)
        while self._entries and self._entries[0].number <= confirmed - KEPT_ANYWAY:
            self._drop_oldest()

    def after(self, number: int) -> list[bytes]:
        """The messages after that one that have to arrive, oldest first."""
        return [
            self._read(entry.at + _BEGIN, entry.size - _BEGIN)
            for entry in self._entries
            if entry.number > number
        ]

    def _count(self, number: int) -> None:
        self._line[layout.CLIENT_SAID] = number

    def _keep(self, number: int, message: bytes) -> None:
        """The entry first, then the head, which publishes it."""
        size = _BEGIN + len(message)
        entry = bytearray(size)
        _ENTRY.pack_into(entry, 0, number, self.outbox_taken, size)
        entry[_BEGIN:] = message
        seal(memoryview(entry), _ENTRY.size, size)
        head = self._line[layout.CLIENT_SAID_HEAD]
        self._make_room(head, size)
        self._write(head, entry)
        self._entries.append(_Entry(number, head, size))
        self._line[layout.CLIENT_SAID_HEAD] = head + size

    def _make_room(self, head: int, size: int) -> None:
        """For an entry of so many bytes at ``head``, no more than the ring has."""
        while self._entries and head + size - self._entries[0].at > SAID_BYTES:
            if self._entries[0].number > self._line[layout.CLIENT_CONFIRMED]:
                self._line[layout.CLIENT_LOST] = 1
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        dropped = self._entries.popleft()
        self._line[layout.CLIENT_SAID_TAIL] = dropped.at + dropped.size

    def _write(self, at: int, entry: bytearray) -> None:
        begin = at % SAID_BYTES
        first = min(len(entry), SAID_BYTES - begin)
        self._ring[begin : begin + first] = entry[:first]
        self._ring[: len(entry) - first] = entry[first:]

    def _read(self, at: int, size: int) -> bytes:
        begin = at % SAID_BYTES
        first = min(size, SAID_BYTES - begin)
        return bytes(self._ring[begin : begin + first]) + bytes(self._ring[: size - first])
