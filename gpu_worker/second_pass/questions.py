"""One slot's questions to the second pass: asked once, perhaps ahead, and taken back.

The second pass hears most of an utterance while its speaker pauses, before anyone knows that it is
over. If it is, its final's question is the one that was asked ahead, and its answer is there or on
its way. A question names its range of audio, so an answer is the same whenever it was asked for.

Audio that kills whoever hears it is given up by the second pass itself (`answering`); here it is
seen that there is none any more who could.
"""

from __future__ import annotations

from typing import Final

from shm.decoder_slot import DecoderSlot
from shm.heard import Heard, Purpose

GIVEN_UP_AFTER_STARTS: Final = 8
"""So many second passes in a row have died before they had gone round once: the next ones will not
do better, and finals have the first pass's text until one does. Late and less accurate is better
than never."""


class Questions:
    """The newest question of a slot. There is never more than one."""

    __slots__ = ("_ahead", "_is_asked", "_number", "_outlasted", "_words")

    def __init__(self, words: DecoderSlot) -> None:
        self._words = words
        self._number = 0
        self._is_asked = False
        self._ahead: tuple[int, int] | None = None
        self._outlasted: tuple[int, int] | None = None

    def ask(self, start: int, stop: int, purpose: Purpose) -> None:
        """What is heard from sample ``start`` to ``stop``? Any earlier question is forgotten."""
        if purpose is Purpose.FINAL and self._ahead == (start, stop):
            self._words.hurry()
        else:
            self._number = self._words.ask(start, stop, purpose)
            self._is_asked = True
        self._ahead = None

    def ask_ahead(self, start: int, stop: int) -> None:
        """As `ask`, once for a range, for a final that may come to it."""
        if (start, stop) not in {self._ahead, self._outlasted}:
            self.ask(start, stop, Purpose.AHEAD)
            self._ahead = start, stop

    def outlast(self, heard_sample: int) -> None:
        """The utterance goes on to ``heard_sample``: nobody waits for what was asked short of it.

        Left open, that would be heard before what somebody waits for.
        """
        if self._ahead is not None and heard_sample > self._ahead[1]:
            if self.answer() is None:
                self.withdraw()
            self._outlasted, self._ahead = self._ahead, None

    def answer(self) -> tuple[Heard, ...] | None:
        """What was heard, best first; None while the question is open."""
        return self._words.answer(self._number)

    @property
    def is_hopeless(self) -> bool:
        """Whether there is no second pass that would answer it."""
        return self._words.second_pass_failed_starts >= GIVEN_UP_AFTER_STARTS

    def withdraw(self) -> None:
        """Nobody waits for the answer any more. What was asked ahead is not asked ahead again."""
        if self._is_asked:
            self._number = self._words.withdraw()
            self._is_asked = False

    def forget(self) -> None:
        """Another segment begins, or this one anew."""
        self._ahead = self._outlasted = None
