"""The second pass's side of a slot: questions about its audio in, answers out.

A question is a range of samples. The decoder that asks keeps its audio uncommitted until the answer
is here; an answer to a question that is no longer the newest is read by nobody. So a second pass
that dies leaves nothing behind but an open question, which its successor finds, and that it was
hearing it. That is counted per segment, since all questions about one have its beginning in common,
and whatever kills who hears it may be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shm import layout
from shm.audio_ring import Samples, copy_out
from shm.doorbells import Doorbells
from shm.heard import MAX_HEARD_S, Heard, Purpose, write_heard
from shm.plane import Plane


@dataclass(frozen=True, slots=True)
class Question:
    """What is heard from sample ``start`` to ``stop``? Numbered per slot, from 1."""

    number: int
    start: int
    stop: int
    purpose: Purpose


class SecondPassSlot:
    """One slot as its second pass sees it."""

    __slots__ = ("_bell", "_decoder", "_line", "_longest", "_plane", "_ring", "slot")

    def __init__(self, plane: Plane, bells: Doorbells, slot: int) -> None:
        self.slot = slot
        self._plane = plane
        self._bell = bells.decoder_of(slot)
        self._decoder = plane.line(plane.layout.decoder_line(slot))
        self._line = plane.line(plane.layout.second_pass_line(slot))
        self._ring = plane.audio_ring(slot)
        self._longest = MAX_HEARD_S * plane.geometry.sample_rate_hz

    def question(self) -> Question | None:
        """The newest question, if it is open.

        Its words are read while the next one may be written: a range that mixes the two belongs to
        a question that nobody waits for, and is passed over where no decoder could have asked it.
        """
        number = self._decoder[layout.SLOT_ASKED]
        if number == self._line[layout.SLOT_ANSWERED]:
            return None
        start = self._decoder[layout.SLOT_ASKED_START]
        stop = self._decoder[layout.SLOT_ASKED_STOP]
        if not start <= stop <= start + self._longest:
            return None
        return Question(number, start, stop, Purpose(self._decoder[layout.SLOT_ASKED_FOR]))

    def audio(self, question: Question) -> Samples:
        """The samples asked about, (n,) int16, copied; n is 30 s at most."""
        samples = np.empty(question.stop - question.start, np.int16)
        copy_out(self._ring, question.start, samples)
        return samples

    def lost_hearings(self, question: Question) -> int:
        """How many second passes in a row have died while they heard the question's segment.

        None, if it has no audio: that harms nobody.
        """
        start, count = divmod(self._line[layout.SLOT_HEARINGS], layout.HEARINGS_LIMIT)
        return count if start == question.start < question.stop else 0

    def begin(self, question: Question) -> None:
        """It is going to be heard: unless this is ended, a hearing is lost."""
        self._count(question, self.lost_hearings(question) + 1)

    def interrupt(self, question: Question) -> None:
        """Hearing it was ended before there was an answer, by nobody's death."""
        self._count(question, self.lost_hearings(question) - 1)

    def answer(self, question: Question, heard: Sequence[Heard]) -> None:
        """What was heard, to the end: nothing in this audio kills anybody."""
        self._count(question, 0)
        self._publish(question, heard)

    def give_up(self, question: Question) -> None:
        """Nothing was heard, nor will be in more of this segment."""
        self._publish(question, ())

    def _count(self, question: Question, hearings: int) -> None:
        if question.start < question.stop:
            self._line[layout.SLOT_HEARINGS] = question.start * layout.HEARINGS_LIMIT + hearings

    def _publish(self, question: Question, heard: Sequence[Heard]) -> None:
        """Payload first, then the number, then the decoder's bell."""
        # A second answer would be written while the decoder may be reading the first.
        assert question.number > self._line[layout.SLOT_ANSWERED], "a question is answered once"
        offset = self._plane.layout.answer(self.slot)
        write_heard(self._plane.bytes(offset, layout.ANSWER_BYTES), heard)
        self._line[layout.SLOT_ANSWERED] = question.number
        self._bell.ring()
