"""The second pass's side of a slot: questions about its audio in, answers out.

A question is a range of samples. The decoder that asks keeps its audio uncommitted until the answer
is here; an answer to a question that is no longer the newest is read by nobody. So a second pass
that dies leaves nothing behind but an open question, which its successor finds.
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

    def answer(self, question: Question, heard: Sequence[Heard]) -> None:
        """Payload first, then the number, then the decoder's bell."""
        # A second answer would be written while the decoder may be reading the first.
        assert question.number > self._line[layout.SLOT_ANSWERED], "a question is answered once"
        offset = self._plane.layout.answer(self.slot)
        write_heard(self._plane.bytes(offset, layout.ANSWER_BYTES), heard)
        self._line[layout.SLOT_ANSWERED] = question.number
        self._bell.ring()
