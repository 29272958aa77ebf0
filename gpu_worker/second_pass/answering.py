"""Which questions are answered next: the urgent ones first, then in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shm.audio_ring import Samples
from shm.heard import Heard
from shm.second_pass_slot import Question, SecondPassSlot

Hear = Callable[[Sequence[Samples]], list[tuple[Heard, ...]]]


class Answering:
    """The slots of one second pass, and the model that hears for them."""

    def __init__(self, slots: Sequence[SecondPassSlot], hear: Hear, batch: int) -> None:
        self._waiting = list(slots)
        self._hear = hear
        self._batch = batch

    def round(self) -> bool:
        """Answers up to a batch of questions; returns whether there were any.

        Who was answered goes to the end of the line, so that no slot waits for ever behind others.
        """
        open_questions: list[tuple[SecondPassSlot, Question]] = []
        for slot in self._waiting:
            question = slot.question()
            if question is not None:
                open_questions.append((slot, question))
        open_questions.sort(key=lambda asked: not asked[1].urgent)  # stable: in turn otherwise
        chosen = open_questions[: self._batch]
        heard = self._hear([slot.audio(question) for slot, question in chosen])
        for (slot, question), hypotheses in zip(chosen, heard, strict=True):
            slot.answer(question, hypotheses)
            self._waiting.remove(slot)
            self._waiting.append(slot)
        return bool(chosen)
