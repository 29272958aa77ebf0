"""Which language model a segment is searched with: the one that it was begun with, to its end.

Language models change while streams go on. A decoder that is replaced in the middle of a segment
decodes it again from its first frame, and must come to the same text: so the number of the model is
in the plane, stored before the segment's first frame is searched. One word says it all, so that no
crash can tear it: the number, and of which segment it is (epoch and first sample, by their lower
bits; the word's predecessors are long gone before these come again).
"""

from __future__ import annotations

from typing import Final

from shm import layout
from shm.plane import Plane
from shm.seal import CorruptRecordError
from shm.session import SessionReader

MAX_NUMBER: Final = (1 << 16) - 1
"""Numbers begin at 1: a word that was never written names none."""


def word_of(epoch: int, segment_start: int, number: int) -> int:
    """The word for a segment that begins at sample ``segment_start``."""
    return (segment_start & 0xFFFF_FFFF) << 32 | (epoch & 0xFFFF) << 16 | number


def number_in(word: int, epoch: int, segment_start: int) -> int | None:
    """The number that ``word`` gives for this segment, None if it is about another one."""
    number = word & MAX_NUMBER
    return number if number and word == word_of(epoch, segment_start, number) else None


def number_at_hand(reader: SessionReader, word: int) -> int | None:
    """The number that ``word`` gives for the segment at which the slot's session is."""
    session = reader.session()
    if session is None:
        return None
    try:
        start = reader.resume_point(session).sample
    except CorruptRecordError:
        return None  # it is given up: nothing of it is decoded any more
    return number_in(word, session.epoch, start)


def numbers_in_use(plane: Plane, first_slot: int = 0, step: int = 1) -> set[int]:
    """Of the models with which segments at hand were begun, in every ``step``-th slot."""
    found = set()
    for slot in range(first_slot, plane.geometry.slots, step):
        word = plane.line(plane.layout.decoder_line(slot))[layout.SLOT_LANGUAGE]
        number = number_at_hand(SessionReader(plane, slot), word)
        if number is not None:
            found.add(number)
    return found
