"""From one slot's emission records to its hypotheses: partials when due, a final per utterance.

Pure but for the slot it is given. The records of a slot are a history, not a clean stream: a worker
that was replaced publishes a segment again from its start, and may have been cut off anywhere. What
counts is decided per record by session, segment and first frame (rules R3 and R5).

With a second pass, the record that ends a segment (or makes an accurate partial due) is held until
the second pass has said what it heard in the segment's audio; the records behind it wait in their
ring meanwhile. Until a final has been published its audio stays, so a replay asks the same again.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding import FrameHypothesis, Search
from gpu_worker.figures import DecoderFigures
from gpu_worker.languages import Language, Languages
from gpu_worker.partials import PartialSchedule
from gpu_worker.second_pass.questions import Questions
from gpu_worker.second_pass.rescoring import N_BEST, Rescorer
from models.spec import ModelSpec
from shm.decoder_slot import DecoderSlot
from shm.emissions import Emission, SegmentEnd
from shm.heard import Purpose
from shm.layout import PARTIALS_OF_ENGINE, PARTIALS_RARE
from shm.outbox import OutboxRecord, ResumePoint
from shm.records import Hypothesis, Word
from shm.seal import CorruptRecordError
from shm.session import Session


@dataclass(frozen=True, slots=True)
class SecondPass:
    """What a slot's decoder needs of the second pass."""

    rescorer: Rescorer
    partials: bool
    """Whether partials wait for it, too: they are rare then, and meant to be accurate."""


class SlotDecoder:
    """The beam search of one slot and its place in the slot's emissions."""

    __slots__ = (
        "_figures",
        "_held",
        "_language",
        "_languages",
        "_log_probs",
        "_next_frame",
        "_partials",
        "_questions",
        "_resume",
        "_search",
        "_second_pass",
        "_sent",
        "_session",
        "_spec",
        "_spoken",
        "_start",
        "_words",
    )

    def __init__(
        self,
        spec: ModelSpec,
        words: DecoderSlot,
        search: Search,
        partials: PartialSchedule,
        second_pass: SecondPass | None = None,
        figures: DecoderFigures | None = None,
        languages: Languages | None = None,
    ) -> None:
        """Without ``figures`` nothing is counted.

        ``search`` and ``second_pass`` are of the newest of ``languages``; without these the
        language model never changes.
        """
        self._figures = figures
        self._languages = languages
        self._language: Language | None = None if languages is None else languages.newest
        self._spec = spec
        self._words = words
        self._search = search
        self._partials = partials
        self._second_pass = second_pass
        self._questions = Questions(words)
        self._held: Emission | None = None  # its hypothesis waits for an answer
        self._log_probs: list[NDArray[np.float32]] = []  # of the segment, for the second pass
        self._session: Session | None = None
        self._resume = ResumePoint.of_session(0, 0)
        self._start = 0  # of the segment, in samples
        self._next_frame = 0
        self._sent: tuple[Word, ...] = ()
        self._spoken = False
        number = words.language_at_hand() if languages is not None else None
        if languages is not None and number is not None:
            self._use(languages.of(number))

    def work(self) -> bool:
        """Takes the next emission record, if there is one and room for what may come of it."""
        if not (self._words.has_emission and self._words.has_room):
            self._hear_ahead()
            if self._uses_an_older_language and self._words.epoch is None:
                self._let_go()
            return False
        if self._held is not None:
            return self._take_answer(self._held)
        emission = self._read()
        if emission is not None and self._belongs(emission):
            with self._figures.search(self._words.stepped_ns) if self._figures else nullcontext():
                self._decode(emission)
        else:
            self._words.drop()
            self._next_frame = 0
        return True

    def _read(self) -> Emission | None:
        """The next record; None, and its session given up, where it cannot be believed."""
        try:
            return self._words.read()
        except CorruptRecordError as error:
            epoch = self._words.epoch
            if epoch is not None:
                self._words.give_up(epoch, error)
            return None

    def _belongs(self, emission: Emission) -> bool:
        """Whether the record goes on with the segment at hand, or opens an attempt at it."""
        if self._words.epoch != emission.epoch or self._words.has_given_up(emission.epoch):
            return False  # another client's, or nobody's any more
        if self._session is None or self._session.epoch != emission.epoch:
            session = self._words.session()
            if session is None or session.epoch != emission.epoch:
                return False  # its client has just gone; what is of its successor comes later
            try:
                self._resume = self._words.resume_point(session)
            except CorruptRecordError as error:
                self._words.give_up(session.epoch, error)
                return False
            self._session = session
            self._partials.follow(session.partials)
            self._next_frame = 0
        if emission.segment < self._resume.segment:
            return False  # settled before: a replay that began too early
        assert emission.segment == self._resume.segment, "segments follow each other"
        return emission.first_frame in {0, self._next_frame}  # else a dead attempt's tail

    def _decode(self, emission: Emission) -> None:
        if emission.first_frame == 0:
            self._words.begin_attempt()
            self._begin_segment()
            self._choose_language(emission)
            self._start = emission.segment_start_sample
        self._search.advance(emission.log_probs)
        if self._second_pass is not None:
            self._log_probs.append(emission.log_probs.copy())
        self._spoken = self._spoken or emission.has_speech
        self._next_frame += emission.log_probs.shape[0]
        if emission.end is not SegmentEnd.NONE:
            if not (self._spoken and self._ask(emission)):
                self._final(emission, self._search.final())
        else:
            self._questions.outlast(emission.heard_sample)
            self._partial(emission)

    def _choose_language(self, emission: Emission) -> None:
        """Searches a segment with the model that it was begun with, the first time it was."""
        if self._languages is not None:
            newest = self._languages.newest.number
            start = emission.segment_start_sample
            number = self._words.language_of(emission.epoch, start, newest)
            self._use(self._languages.of(number))

    def _use(self, language: Language) -> None:
        if language is self._language:
            return
        self._language = language
        self._search = language.make_search()
        if self._second_pass is not None and language.rescorer is not None:
            self._second_pass = replace(self._second_pass, rescorer=language.rescorer)

    @property
    def _uses_an_older_language(self) -> bool:
        return self._languages is not None and self._language is not self._languages.newest

    def _let_go(self) -> None:
        """No segment is at hand any more: an older model may go, if this was its last one."""
        if self._languages is not None:
            self._use(self._languages.newest)

    def _ask(self, emission: Emission) -> bool:
        """Puts the segment's audio so far to the second pass, if there is one, and holds on."""
        if self._second_pass is None:
            return False
        purpose = Purpose.PARTIAL if emission.end is SegmentEnd.NONE else Purpose.FINAL
        self._questions.ask(emission.segment_start_sample, emission.heard_sample, purpose)
        self._held = emission
        self._words.hold()
        return True

    def _hear_ahead(self) -> None:
        """Lets the second pass begin while the utterance pauses: it may be over.

        If it is not, that was for nothing; the next question replaces this one.
        """
        if self._second_pass is None or self._session is None or not self._spoken:
            return
        if self._words.epoch != self._session.epoch:
            self._questions.withdraw()
            return
        stop = self._words.pause(self._start)
        if stop is not None:
            self._questions.ask_ahead(self._start, stop)
            if self._questions.is_hopeless:
                self._questions.withdraw()

    def _take_answer(self, emission: Emission) -> bool:
        """Goes on with the record that was held, once its question is answered or given up."""
        if self._words.epoch != emission.epoch:
            self._questions.withdraw()
            self._held = None  # the client is gone; the record is dropped as any of its session
            return True
        assert self._second_pass is not None, "only a second pass is asked"
        heard = self._questions.answer()
        if heard is None:
            if not self._gives_up(emission):
                return False
            self._questions.withdraw()
        self._held = None
        found = self._search.final()
        if heard is not None:
            found = self._second_pass.rescorer.rescored(
                np.concatenate(self._log_probs), heard, found, self._search.n_best(N_BEST)
            )
        if self._figures:
            self._figures.answered(self._words.searched_ns)
        if emission.end is SegmentEnd.NONE:
            self._show(emission, found)
        else:
            self._final(emission, found)
        return True

    def _gives_up(self, emission: Emission) -> bool:
        """Whether the first pass's text will have to do.

        For a partial, as soon as its final could be worked on: that must not wait for it. Other
        finals are heard first, so a partial might otherwise wait as long as they keep coming.
        """
        is_partial = emission.end is SegmentEnd.NONE
        return self._questions.is_hopeless or (is_partial and self._words.ends_ahead)

    def _partial(self, emission: Emission) -> None:
        found = self._heard(self._search.partial())
        due = self._partials.due(
            emission.first_frame, self._next_frame, has_words=bool(found.words)
        )
        if not due or emission.covered_sample <= self._resume.partial_sample:
            self._words.step_past()
            return  # not yet, or a replay of what was sent before
        if not (self._partials_are_accurate and self._ask(emission)):
            self._show(emission, found)

    @property
    def _partials_are_accurate(self) -> bool:
        """Whether they wait for the second pass, if there is one."""
        assert self._session is not None, "only records of a session are decoded"
        if self._session.partials == PARTIALS_OF_ENGINE:
            return self._second_pass is not None and self._second_pass.partials
        return self._session.partials == PARTIALS_RARE

    def _show(self, emission: Emission, found: FrameHypothesis) -> None:
        """Sends a partial, unless it would only say again in silence what was said before."""
        hypothesis = self._in_stream_time(found, emission, is_final=False)
        if emission.has_speech or hypothesis.words != self._sent:
            self._sent = hypothesis.words
            self._resume = replace(self._resume, partial_sample=emission.covered_sample)
            self._publish(hypothesis, requested=False)
        self._words.step_past()

    def _final(self, emission: Emission, found: FrameHypothesis) -> None:
        """Settles the segment. The record's resume point is where the next one begins."""
        hypothesis = self._in_stream_time(self._heard(found), emission, is_final=True)
        self._resume = ResumePoint(
            segment=emission.segment + 1,
            sample=emission.next_sample,
            mark=emission.next_mark,
            emission=self._words.tail + 1,
            partial_sample=emission.next_sample,
        )
        self._publish(hypothesis, requested=emission.end is SegmentEnd.MARK)
        self._let_go()
        self._begin_segment()
        self._words.step_past()

    def _begin_segment(self) -> None:
        self._search.reset()
        self._partials.reset()
        self._next_frame = 0
        self._sent = ()
        self._spoken = False
        self._log_probs.clear()
        self._questions.forget()

    def _heard(self, found: FrameHypothesis) -> FrameHypothesis:
        """Nothing, while no frame of the segment was likelier a character than silence.

        Many frames of silence together hold enough mass of some letter for a word of it to win.
        """
        return found if self._spoken else FrameHypothesis((), 0.0)

    def _publish(self, hypothesis: Hypothesis, *, requested: bool) -> None:
        assert self._session is not None, "only records of a session are decoded"
        epoch = self._session.epoch
        self._words.publish(OutboxRecord(epoch, hypothesis, requested, self._resume))

    def _in_stream_time(
        self, found: FrameHypothesis, emission: Emission, *, is_final: bool
    ) -> Hypothesis:
        """Frames of the segment to milliseconds of the stream, never past the audio covered.

        Where there is a second pass, no word is stable before the final: it may still change it.
        """
        assert self._session is not None, "only records of a session are decoded"
        base = self._session.base_sample - self._session.origin_samples

        def milliseconds(frame: int) -> int:
            sample = emission.segment_start_sample + frame * self._spec.frame_samples
            # The next segment may begin a little before the end of this one's silence.
            sample = min(sample, emission.covered_sample, emission.next_sample)
            return (sample - base) * 1000 // self._spec.sample_rate_hz

        words = tuple(
            Word(
                word.text,
                word.confidence,
                milliseconds(word.start_frame),
                milliseconds(word.end_frame),
                is_final or (word.stable and self._second_pass is None),
            )
            for word in found.words
        )
        return Hypothesis(words, found.confidence, is_final)
