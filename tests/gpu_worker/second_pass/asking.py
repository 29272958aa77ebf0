"""A slot whose decoder asks a second pass, which is played by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gpu_worker.decoding import Calibration, Search, Vocabulary
from gpu_worker.partials import PartialSchedule
from gpu_worker.second_pass.rescoring import Rescorer
from gpu_worker.slot_decoder import SecondPass, SlotDecoder
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.heard import Heard
from shm.plane import Plane
from shm.process_line import ProcessLine
from shm.second_pass_slot import Question, SecondPassSlot
from tests.gpu_worker.test_slot_decoder import Slot
from tests.gpu_worker.tiny import TINY, SpellingSearch, geometry_of

GEOMETRY = geometry_of(TINY, second_passes=1)
VOCABULARY = Vocabulary(TINY.vocabulary, TINY.blank)


def rescorer() -> Rescorer:
    return Rescorer(TINY, None, Calibration())


class AskingSlot(Slot):
    """`Slot` with a second pass, whose process is in its first generation."""

    def __init__(self, plane: Plane, bells: Doorbells, interval_ms: int, *, partials: bool) -> None:
        self._partials = partials
        self.search: Callable[[], Search] = SpellingSearch
        super().__init__(plane, bells, interval_ms)
        self.start_second_pass(1)

    def start_decoder(self, plane: Plane | None = None) -> None:
        self.decoder = SlotDecoder(
            TINY,
            DecoderSlot(plane or self.plane, self._bells, 0),
            self.search(),
            PartialSchedule(TINY, self._interval_ms),
            SecondPass(rescorer(), self._partials),
        )

    def start_second_pass(self, generation: int) -> None:
        """Its process, or the successor of one that died."""
        line = ProcessLine(self.plane, self.plane.layout.second_pass_process(0))
        line.announce(generation)
        self._second_pass = SecondPassSlot(self.plane, self._bells, 0)

    def second_pass_goes_round(self) -> None:
        """It was no vain start."""
        ProcessLine(self.plane, self.plane.layout.second_pass_process(0)).proven()

    @property
    def question(self) -> Question | None:
        """The one that is open."""
        return self._second_pass.question()

    def hears(self, *texts: str) -> Question:
        """Answers the open question, the first text as the likeliest."""
        question = self.question
        assert question is not None, "nobody asked"
        heard = [Heard(text, -1.0 - place) for place, text in enumerate(texts)]
        self._second_pass.answer(question, heard)
        return question

    def gives_up(self) -> None:
        """The second pass does: too many have died over the open question."""
        question = self.question
        assert question is not None, "nobody asked"
        self._second_pass.give_up(question)


@contextmanager
def asking_slot(interval_ms: int, *, partials: bool) -> Iterator[AskingSlot]:
    plane = Plane.create(GEOMETRY)
    bells = Doorbells.create(GEOMETRY)
    yield AskingSlot(plane, bells, interval_ms, partials=partials)
    plane.close()
    bells.close()
