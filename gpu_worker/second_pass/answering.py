"""Which questions are answered next: by their purpose, then in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shm.audio_ring import Samples
from shm.heard import Heard, Purpose
from shm.second_pass_slot import Question, SecondPassSlot


class Hear(Protocol):
    """A model: what is heard in each utterance, thoroughly or quickly."""

    def __call__(self, utterances: Sequence[Samples], *, thorough: bool) -> list[tuple[Heard, ...]]:
        """See `Hearing.hear`."""


class Answering:
    """The slots of one second pass, and the model that hears for them."""

    def __init__(self, slots: Sequence[SecondPassSlot], hear: Hear, batch: int) -> None:
        self._waiting = list(slots)
        self._hear = hear
        self._batch = batch

    def round(self) -> bool:
        """Answers up to a batch of questions, all of the most urgent purpose that there is.

        Returns whether there were any.

        Who was answered goes to the end of the line, so that no slot waits for ever behind others.
        """
        open_questions: list[tuple[SecondPassSlot, Question]] = []
        for slot in self._waiting:
            question = slot.question()
            if question is not None:
                open_questions.append((slot, question))
        if not open_questions:
            return False
        purpose = max(question.purpose for _, question in open_questions)
        chosen = [asked for asked in open_questions if asked[1].purpose is purpose][: self._batch]
        audio = [slot.audio(question) for slot, question in chosen]
        heard = self._hear(audio, thorough=purpose is not Purpose.PARTIAL)
        for (slot, question), hypotheses in zip(chosen, heard, strict=True):
            slot.answer(question, hypotheses)
            self._waiting.remove(slot)
            self._waiting.append(slot)
        return True
