from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.decoding import FrameHypothesis, FrameWord
from gpu_worker.languages import Language, Languages, LanguageSettings
from gpu_worker.partials import INTERMED_PARTIAL_MS, PARTIAL_MS, PartialSchedule
from gpu_worker.slot_decoder import SlotDecoder
from shm import layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.emissions import Emission, SegmentEnd
from shm.frontend_slot import FrontendSlot
from shm.outbox import OutboxRecord
from shm.plane import Plane
from shm.session import Session
from shm.worker_slot import WorkerSlot
from tests.gpu_worker.tiny import TINY, SpellingSearch, geometry_of
from tests.shm.watched_plane import CrashError, Fuse, WatchedPlane

FRAME = TINY.frame_samples
NONE, ENDPOINT, MARK = SegmentEnd.NONE, SegmentEnd.ENDPOINT, SegmentEnd.MARK


def log_probs_of(text: str) -> NDArray[np.float32]:
    """A frame per character; "_" is the blank."""
    tokens = [TINY.blank if c == "_" else TINY.vocabulary.index(c) for c in text]
    log_probs = np.full((len(text), len(TINY.vocabulary)), -20.0, np.float32)
    log_probs[np.arange(len(text)), tokens] = 0.0
    return log_probs


class Slot:
    """Slot 0 with its client, its worker's hand and a decoder that can be replaced."""

    def __init__(self, plane: Plane, bells: Doorbells, interval_ms: int) -> None:
        self.plane = plane
        self._bells = bells
        self._interval_ms = interval_ms
        self.client = FrontendSlot.begin(plane, bells, 0, frontend=0)
        self.worker = WorkerSlot(plane, bells, 0)
        self.received: list[OutboxRecord] = []
        self.start_decoder()

    def start_decoder(self, plane: Plane | None = None) -> None:
        words = DecoderSlot(plane or self.plane, self._bells, 0)
        schedule = PartialSchedule(TINY, self._interval_ms)
        self.decoder = SlotDecoder(TINY, words, SpellingSearch(), schedule)

    def reconnect(self) -> None:
        self.client.end_session()
        self.client = FrontendSlot.begin(self.plane, self._bells, 0, frontend=0)

    def emit(
        self,
        text: str,
        *,
        segment: int = 0,
        first: int = 0,
        end: SegmentEnd = NONE,
        start: int = 0,
        epoch: int | None = None,
        has_speech: bool | None = None,
        heard: int | None = None,
    ) -> None:
        """Publishes a record of ``text``: frames from ``first`` of the segment from ``start``."""
        covered = start + (first + len(text)) * FRAME
        self.worker.publish(
            Emission(
                epoch=self.client.epoch if epoch is None else epoch,
                segment=segment,
                segment_start_sample=start,
                first_frame=first,
                covered_sample=covered,
                heard_sample=covered if heard is None else heard,
                end=end,
                next_sample=covered,
                next_mark=int(end is MARK),
                has_speech=bool(set(text) - {"_", " "}) if has_speech is None else has_speech,
                log_probs=log_probs_of(text),
            )
        )

    def results(self) -> list[OutboxRecord]:
        """What the client receives from now until the decoder has worked through everything."""
        known = len(self.received)
        try:
            while self.decoder.work():
                self._take()
        finally:
            self._take()
        return self.received[known:]

    def _take(self) -> None:
        while (record := self.client.take()) is not None:
            self.received.append(record)

    @property
    def emission_commit(self) -> int:
        return self.plane.line(self.plane.layout.decoder_line(0))[layout.SLOT_EMISSION_COMMIT]


@pytest.fixture
def slot(plane: Plane, bells: Doorbells) -> Slot:
    return Slot(plane, bells, PARTIAL_MS)


@pytest.fixture
def eager_slot(plane: Plane, bells: Doorbells) -> Slot:
    """A partial with every record of 6 frames or more."""
    return Slot(plane, bells, INTERMED_PARTIAL_MS)


def text_of(record: OutboxRecord) -> str:
    text = " ".join(word.text for word in record.hypothesis.words)
    return f"{text}." if record.hypothesis.is_final else text


def texts(records: list[OutboxRecord]) -> list[str]:
    """A full stop marks a final."""
    return [text_of(record) for record in records]


def test_records_of_a_segment_become_one_final(slot: Slot) -> None:
    slot.emit("ab cd")
    slot.emit("d a__", first=5, end=ENDPOINT)
    (record,) = slot.results()
    assert text_of(record) == "ab cd a."
    assert all(word.stable for word in record.hypothesis.words)
    assert not record.requested


def test_times_are_milliseconds_of_the_stream(slot: Slot) -> None:
    """100 ms a frame; the session begins at the slot's sample 40."""
    slot.client.write_audio(np.zeros(40, np.int16))
    slot.reconnect()
    slot.start_decoder()
    slot.emit("_ab__c", start=60, end=MARK)
    (word,) = slot.results()[0].hypothesis.words
    assert (word.start_ms, word.end_ms) == (1100, 1600)


def test_a_final_says_where_the_next_segment_begins(slot: Slot) -> None:
    slot.emit("ab", end=MARK)
    slot.emit("cd", segment=1, start=4, end=ENDPOINT)
    first, second = slot.results()
    assert (first.resume.segment, first.resume.sample) == (1, 4)
    assert (first.resume.mark, first.resume.emission) == (1, 1)
    assert (second.resume.segment, second.resume.sample, second.resume.emission) == (2, 8, 2)


def test_a_requested_final_is_sent_without_words(slot: Slot) -> None:
    slot.emit("", end=MARK)
    slot.emit("____", segment=1, end=MARK)
    first, second = slot.results()
    assert (first.requested, first.hypothesis.words) == (True, ())
    assert (second.requested, second.hypothesis.words) == (True, ())


def test_partials_come_when_due_and_their_words_may_change(eager_slot: Slot) -> None:
    eager_slot.emit("______")
    eager_slot.emit("abcabc", first=6)
    eager_slot.emit("d", first=12)
    eager_slot.emit(" abcda", first=13)
    records = eager_slot.results()
    assert texts(records) == ["abcabc", "abcabcd abcda"]
    assert not any(word.stable for record in records for word in record.hypothesis.words)


def test_silence_repeats_no_partial(eager_slot: Slot) -> None:
    eager_slot.emit("abcabc")
    eager_slot.emit("______", first=6)
    eager_slot.emit("______", first=12)
    eager_slot.emit("_____b", first=18)
    assert texts(eager_slot.results()) == ["abcabc", "abcabcb"]


def test_a_partial_that_silence_changes_is_sent(eager_slot: Slot) -> None:
    """The language model may think again when a word is over."""

    class SecondThoughts(SpellingSearch):
        def partial(self) -> FrameHypothesis:
            found = super().partial()
            return replace(found, words=(replace(found.words[0], text=str(len(self._tokens))),))

    eager_slot.decoder._search = SecondThoughts()
    eager_slot.emit("abcabc")
    eager_slot.emit("______", first=6)
    assert texts(eager_slot.results()) == ["6", "12"]


def test_a_settled_segment_is_not_decoded_again(slot: Slot) -> None:
    """Rule R3: a worker that was replaced begins at the last final that it saw."""
    slot.emit("ab", end=ENDPOINT)
    slot.emit("cd", segment=1, start=4, end=ENDPOINT)
    slot.emit("ab", end=ENDPOINT)
    slot.emit("cd", segment=1, start=4, end=ENDPOINT)
    slot.emit("da", segment=2, start=8, end=ENDPOINT)
    assert texts(slot.results()) == ["ab.", "cd.", "da."]


def test_a_new_attempt_starts_the_segment_over(slot: Slot) -> None:
    slot.emit("ab")
    slot.emit("ab")
    slot.emit("cd", first=2, end=ENDPOINT)
    assert texts(slot.results()) == ["abcd."]


def test_a_new_attempt_frees_the_older_ones(slot: Slot) -> None:
    """Rule R5: else repeated crashes fill the ring."""
    for attempt in range(3 * slot.plane.geometry.emission_records):
        slot.emit("ab")
        slot.results()
        assert slot.emission_commit == attempt


def test_a_dead_attempts_tail_is_dropped(slot: Slot) -> None:
    slot.emit("ab")
    slot.emit("dd", first=4)
    slot.emit("ab")
    slot.emit("cc", first=2, end=ENDPOINT)
    assert texts(slot.results()) == ["abc."]


def test_after_a_settled_segment_only_the_first_frame_is_expected(slot: Slot) -> None:
    slot.emit("ab", end=ENDPOINT)
    slot.emit("cd", segment=1, start=4)
    slot.emit("ab", end=ENDPOINT)
    slot.emit("cd", segment=1, start=4)
    slot.emit("b", segment=1, start=4, first=2, end=ENDPOINT)
    assert texts(slot.results()) == ["ab.", "cdb."]


def test_a_replay_repeats_no_partial(eager_slot: Slot) -> None:
    eager_slot.emit("abcabc")
    eager_slot.emit("dbcabc", first=6)
    assert texts(eager_slot.results()) == ["abcabc", "abcabcdbcabc"]
    eager_slot.start_decoder()
    assert eager_slot.results() == [], "of a decoder that was replaced"
    eager_slot.emit("abcabc")
    eager_slot.emit("dbcabc", first=6)
    assert eager_slot.results() == [], "of a worker that was replaced"
    eager_slot.emit("ababab", first=12)
    assert texts(eager_slot.results()) == ["abcabcdbcabcababab"]


def test_another_clients_records_are_dropped(slot: Slot) -> None:
    before = slot.client.epoch
    slot.emit("ab")
    slot.results()
    slot.emit("cd", first=2)
    slot.reconnect()
    slot.emit("dd", first=4, epoch=before, end=ENDPOINT)
    slot.emit("ab", end=ENDPOINT)
    assert texts(slot.results()) == ["ab."]


def test_a_client_that_changes_while_its_record_is_looked_at_loses_nothing(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one's session begins at its own start, not where the last one's was settled."""
    slot.emit("ab", end=ENDPOINT)
    assert texts(slot.results()) == ["ab."]
    slot.reconnect()
    slot.emit("cd")
    look = slot.decoder._words.session

    def look_late() -> Session | None:
        monkeypatch.undo()
        slot.reconnect()
        return look()

    monkeypatch.setattr(DecoderSlot, "session", lambda _self: look_late())
    assert slot.results() == []
    slot.emit("da", end=ENDPOINT)
    assert texts(slot.results()) == ["da."]


def test_nobodys_records_are_dropped(slot: Slot) -> None:
    slot.emit("ab", end=ENDPOINT)
    slot.client.end_session()
    assert slot.results() == []
    assert slot.emission_commit == 1


def test_a_ring_that_a_client_left_full_is_free_for_the_next(slot: Slot) -> None:
    """The decoder was within a segment, whose records it keeps for a successor."""
    for chunk in range(slot.plane.geometry.emission_records):
        slot.emit("ab", first=2 * chunk)
    assert slot.decoder.work()
    slot.reconnect()
    slot.results()
    assert slot.worker.has_room


def test_a_full_outbox_waits_for_the_client(slot: Slot) -> None:
    finals = layout.OUTBOX_RECORDS + 1
    for segment in range(2):
        slot.emit("ab", segment=segment, end=ENDPOINT)
    for segment in range(2, finals):
        assert slot.decoder.work()
        slot.emit("ab", segment=segment, end=ENDPOINT)
    while slot.decoder.work():
        pass
    assert slot.decoder._words.has_emission
    for _ in range(2):  # the first stays until the next is asked for
        assert slot.client.take() is not None
    assert slot.decoder.work()


class RunsAhead(SpellingSearch):
    """A search that places words where no audio has been."""

    def partial(self) -> FrameHypothesis:
        words = [FrameWord("early", 0.5, 0, 2, False), FrameWord("late", 0.5, 3, 99, False)]
        return FrameHypothesis(tuple(words), 0.5)


def test_times_never_pass_the_audio_nor_the_next_segments_start(slot: Slot) -> None:
    slot.decoder._search = RunsAhead()
    record = Emission(
        epoch=slot.client.epoch,
        segment=0,
        segment_start_sample=0,
        first_frame=0,
        covered_sample=10,
        heard_sample=10,
        end=ENDPOINT,
        next_sample=8,
        next_mark=0,
        has_speech=True,
        log_probs=log_probs_of("ab___"),
    )
    slot.worker.publish(record)
    early, late = slot.results()[0].hypothesis.words
    assert (early.start_ms, early.end_ms, late.start_ms, late.end_ms) == (0, 200, 300, 400)


def history(slot: Slot) -> None:
    """Two utterances in several records, with partials, an empty final and an old attempt."""
    slot.emit("abcabc")
    slot.emit("d ab", first=6, end=ENDPOINT)
    slot.emit("", segment=1, start=20, end=MARK)
    slot.emit("cdcdcd", segment=2, start=20)
    slot.emit("cdcdcd", segment=2, start=20)
    slot.emit("ba____", segment=2, start=20, first=6, end=MARK)


def test_a_decoder_that_dies_at_any_store_loses_and_doubles_no_result() -> None:
    """Partials too: each is sent once."""
    for stores in itertools.count():
        with fresh_slot() as slot:
            history(slot)
            died = dies_after(slot, stores)
            slot.start_decoder()
            slot.results()
            assert texts(slot.received) == [
                *("abcabc", "abcabcd ab."),
                ".",
                *("cdcdcd", "cdcdcdba."),
            ], f"died after {stores} stores"
        if not died:
            break
    assert stores > 20, "every record was reached"


def test_a_decoder_that_dies_again_and_again_gets_there() -> None:
    """Within eight stores it gets past the longest segment; what was settled stays so."""
    with fresh_slot() as slot:
        history(slot)
        while dies_after(slot, 8):
            assert len(slot.received) < 20, "it gets further each time"
        finals = [text for text in texts(slot.received) if text.endswith(".")]
        assert finals == ["abcabcd ab.", ".", "cdcdcdba."]


@contextmanager
def fresh_slot() -> Iterator[Slot]:
    plane = Plane.create(geometry_of(TINY))
    bells = Doorbells.create(plane.geometry)
    yield Slot(plane, bells, INTERMED_PARTIAL_MS)
    plane.close()
    bells.close()


def dies_after(slot: Slot, stores: int) -> bool:
    """Lets a new decoder work that dies instead of its next store after ``stores``, if it does."""
    fuse = Fuse(stores)
    try:
        slot.start_decoder(WatchedPlane(slot.plane, fuse))
        slot.results()
    except CrashError:
        return True
    return False


def test_a_search_that_finds_words_in_silence_is_not_believed(eager_slot: Slot) -> None:
    """A beam search may add up a letter from frames that are all likelier silent."""
    eager_slot.emit("aaaa", has_speech=False)
    eager_slot.emit("aa", first=4, end=MARK, has_speech=False)
    (final,) = eager_slot.results()
    assert final.hypothesis.is_final
    assert final.hypothesis.words == ()
    assert final.requested


def test_speech_anywhere_in_the_utterance_is_enough(eager_slot: Slot) -> None:
    eager_slot.emit("ab")
    eager_slot.emit("__", first=2, end=ENDPOINT)
    assert [word.text for word in eager_slot.results()[-1].hypothesis.words] == ["ab"]


# -- the language model changes


class NumberedSearch(SpellingSearch):
    """Its words tell with which language model they were found."""

    number = 1

    def partial(self) -> FrameHypothesis:
        found = super().partial()
        words = tuple(replace(word, text=f"{word.text}{self.number}") for word in found.words)
        return replace(found, words=words)


class OtherSearch(NumberedSearch):
    number = 2


FIRST = Language(1, NumberedSearch, None)
SECOND = Language(2, OtherSearch, None)


def decode_with(slot: Slot, languages: Languages) -> None:
    """A decoder, or the successor of one, that knows these."""
    words = DecoderSlot(slot.plane, slot._bells, 0)
    search = languages.newest.make_search()
    schedule = PartialSchedule(TINY, PARTIAL_MS)
    slot.decoder = SlotDecoder(TINY, words, search, schedule, languages=languages)


def both() -> Languages:
    """The second is the newest, and the first is known."""
    known = [LanguageSettings(number, "lm.bin", 9, None) for number in (1, 2)]
    return Languages(SECOND, known, lambda _: FIRST)


def test_a_successor_decodes_a_segment_with_the_model_that_it_was_begun_with(slot: Slot) -> None:
    """However often it is begun again; the next segment has the newest one."""
    decode_with(slot, Languages(FIRST))
    slot.emit("ab ")
    assert slot.results() == []
    for _ in range(2):
        decode_with(slot, both())
        assert slot.results() == []
    slot.emit("ab ", first=0)  # a worker's second attempt
    slot.emit("cd", first=3, end=ENDPOINT)
    assert texts(slot.results()) == ["ab1 cd1."]
    assert slot.decoder._language is SECOND, "the older one is let go at once"
    slot.emit("ab", segment=1, start=5 * FRAME, end=ENDPOINT)
    assert texts(slot.results()) == ["ab2."]


def test_a_segment_that_nobody_has_begun_has_the_newest_model(slot: Slot) -> None:
    """Its records were there before, but no frame of them had been searched."""
    slot.emit("ab ")
    decode_with(slot, both())
    slot.emit("cd", first=3, end=ENDPOINT)
    assert texts(slot.results()) == ["ab2 cd2."]


def test_a_client_that_goes_lets_go_of_its_model(slot: Slot) -> None:
    decode_with(slot, Languages(FIRST))
    slot.emit("ab ")
    slot.results()
    decode_with(slot, both())
    assert slot.decoder._language is FIRST
    slot.reconnect()
    slot.emit("cd", end=ENDPOINT)
    assert texts(slot.results()) == ["cd2."]
    decode_with(slot, both())
    assert slot.decoder._language is SECOND
