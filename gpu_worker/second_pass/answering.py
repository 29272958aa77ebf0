"""Which questions are answered next: by their purpose, then in turn.

A question over which a second pass has died is a suspect: it goes to the end of the line, and is
heard alone in its turn. So the others are answered first, those that were heard beside it are
cleared, and the one that kills whoever hears it is given up, however many others die meanwhile of
something else. In its turn, and not when there are no others: there may always be some.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from shm.audio_ring import Samples
from shm.heard import Heard, Purpose
from shm.second_pass_slot import Question, SecondPassSlot

GIVEN_UP_AFTER_DEATHS: Final = 8
"""So many second passes in a row have died over a segment, each while it was being heard: that is
the segment's doing. Its final has the first pass's text: late and less accurate is better than
never. Eight in a row are no chance: where one is killed at random every 7 s, and hearing takes
1.5 s, it happens to one question in 600,000."""

log = logging.getLogger("realtime_engine.second_pass")


class Hear(Protocol):
    """A model: what is heard in each utterance, thoroughly or quickly."""

    def __call__(
        self, utterances: Sequence[Samples], *, thorough: bool, while_waiting: Callable[[], None]
    ) -> list[tuple[Heard, ...]]:
        """See `Hearing.hear`; what ``while_waiting`` raises ends it at once."""


class _GivenUpError(Exception):
    """What is being heard is not wanted any more, or something else is wanted first."""


Asked = tuple[SecondPassSlot, Question]


class Answering:
    """The slots of one second pass, and the model that hears for them."""

    def __init__(self, slots: Sequence[SecondPassSlot], hear: Hear, batch: int) -> None:
        self._waiting = sorted(slots, key=_is_suspected)
        self._hear = hear
        self._batch = batch

    def round(self) -> bool:
        """Answers up to a batch of questions, all of the most urgent purpose that there is.

        Returns whether there were any.

        Who was answered goes to the end of the line, so that no slot waits for ever behind others.
        Hearing is given up for a question that a final waits for, and when its own was withdrawn.
        """
        open_questions = self._open()
        if not open_questions:
            return False
        if self._give_up(open_questions):
            return True
        purpose = max(question.purpose for _, question in open_questions)
        chosen = self._choose([asked for asked in open_questions if asked[1].purpose is purpose])
        audio = [slot.audio(question) for slot, question in chosen]

        def while_waiting() -> None:
            if self._is_in_vain(chosen):
                raise _GivenUpError

        for slot, question in chosen:
            slot.begin(question)
        try:
            heard = self._hear(
                audio, thorough=purpose is not Purpose.PARTIAL, while_waiting=while_waiting
            )
        except _GivenUpError:
            for slot, question in chosen:
                slot.interrupt(question)
            return True
        for (slot, question), hypotheses in zip(chosen, heard, strict=True):
            slot.answer(question, hypotheses)
            self._waiting.remove(slot)
            self._waiting.append(slot)
        return True

    def _give_up(self, asked: Sequence[Asked]) -> bool:
        """Answers those that nobody survives to hear; returns whether there were any."""
        hopeless = [who for who in asked if _deaths(who) >= GIVEN_UP_AFTER_DEATHS]
        for slot, question in hopeless:
            log.error(
                "slot %d: %d second passes died over samples %d to %d, which are given up",
                slot.slot, GIVEN_UP_AFTER_DEATHS, question.start, question.stop,
            )  # fmt: skip
            slot.give_up(question)
        return bool(hopeless)

    def _choose(self, asked: Sequence[Asked]) -> Sequence[Asked]:
        """The first in line, and up to a batch of others unless one of them is a suspect."""
        if _deaths(asked[0]):
            return asked[:1]
        return [who for who in asked if not _deaths(who)][: self._batch]

    def _is_in_vain(self, being_heard: Sequence[Asked]) -> bool:
        """Whether nobody waits for these any more, or a final waits for another question."""
        now = {(slot.slot, question.number): question.purpose for slot, question in self._open()}
        wanted = [now.get((slot.slot, question.number)) for slot, question in being_heard]
        purposes = [purpose for purpose in wanted if purpose is not None]
        if not purposes:
            return True
        return Purpose.FINAL not in purposes and Purpose.FINAL in now.values()

    def _open(self) -> list[Asked]:
        asked = ((slot, slot.question()) for slot in self._waiting)
        return [(slot, question) for slot, question in asked if question is not None]


def _is_suspected(slot: SecondPassSlot) -> bool:
    question = slot.question()
    return question is not None and slot.lost_hearings(question) > 0


def _deaths(asked: Asked) -> int:
    slot, question = asked
    return slot.lost_hearings(question)
