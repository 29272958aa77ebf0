"""The slot decoder with a second pass: what waits, for what, and what becomes of it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from gpu_worker.decoding import FrameHypothesis
from gpu_worker.partials import INTERMED_PARTIAL_MS
from gpu_worker.second_pass.questions import GIVEN_UP_AFTER_STARTS
from shm import layout
from shm.heard import Purpose
from shm.second_pass_slot import Question
from tests.gpu_worker.second_pass.asking import AskingSlot, asking_slot
from tests.gpu_worker.test_slot_decoder import ENDPOINT, FRAME, MARK, text_of, texts
from tests.gpu_worker.tiny import SpellingSearch
from tests.shm.planes import was_rung
from tests.shm.watched_plane import CrashError, Fuse, WatchedPlane

# -- finals


def test_a_final_waits_for_the_answer_and_has_its_words(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    assert slot.results() == []
    assert slot.hears("ab cb") == Question(1, 0, 5 * FRAME, Purpose.FINAL)
    (final,) = slot.results()
    assert text_of(final) == "ab cb."
    assert [(word.start_ms, word.end_ms) for word in final.hypothesis.words] == [
        (0, 200),
        (200, 500),
    ]
    assert all(word.stable for word in final.hypothesis.words)
    assert slot.question is None


def test_the_whole_segment_is_asked_about_and_aligned_to(slot: AskingSlot) -> None:
    """From where it begins, however many records it came in."""
    slot.emit("__ab", start=60)
    slot.emit("____", first=4, start=60)
    slot.emit("_cd_", first=8, start=60, end=MARK)
    assert slot.results() == []
    assert slot.hears("ab cb") == Question(1, 60, 60 + 12 * FRAME, Purpose.FINAL)
    (final,) = slot.results()
    assert final.requested
    assert [(w.text, w.start_ms, w.end_ms) for w in final.hypothesis.words] == [
        ("ab", 3100, 3400),
        ("cb", 3800, 4100),
    ]


def test_records_behind_a_held_final_wait(slot: AskingSlot) -> None:
    slot.emit("ab", end=ENDPOINT)
    slot.emit("cd", segment=1, start=4, end=ENDPOINT)
    assert slot.results() == []
    assert slot.decoder._words.tail == 0, "the record may be needed by a successor"
    assert not slot.decoder.work(), "there is nothing to do but wait"
    slot.hears("cb")
    assert texts(slot.results()) == ["cb."]
    assert slot.hears("ca") == Question(2, 4, 8, Purpose.FINAL)
    (final,) = slot.results()
    (word,) = final.hypothesis.words
    assert (word.text, word.start_ms, word.end_ms) == ("ca", 200, 400)
    assert slot.emission_commit == 2


def test_a_question_and_its_answer_ring(slot: AskingSlot) -> None:
    slot.emit("ab", end=ENDPOINT)
    was_rung(slot._bells.second_pass_of(0))
    slot.results()
    assert was_rung(slot._bells.second_pass_of(0))
    was_rung(slot._bells.decoder_of(0))
    slot.hears("ab")
    assert was_rung(slot._bells.decoder_of(0))


def test_nothing_heard_leaves_the_first_passs_text(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    slot.results()
    slot.hears()
    assert texts(slot.results()) == ["ab cd."]


def test_what_nothing_supports_makes_an_empty_final(slot: AskingSlot) -> None:
    slot.emit("________", has_speech=True, end=ENDPOINT)
    slot.results()
    slot.hears("dad dad")
    assert texts(slot.results()) == ["."]


def test_silence_is_not_asked_about(slot: AskingSlot) -> None:
    """Nor is a mark with no audio at all: no client waits for a model that hears nothing."""
    slot.emit("ab__", has_speech=False, end=ENDPOINT)
    slot.emit("", segment=1, start=8, end=MARK)
    assert texts(slot.results()) == [".", "."]
    assert slot.question is None


def test_a_full_outbox_holds_the_answer_back(slot: AskingSlot) -> None:
    for segment in range(layout.OUTBOX_RECORDS):
        slot.emit("__", segment=segment, end=ENDPOINT)
        assert slot.decoder.work()
    slot.emit("ab", segment=layout.OUTBOX_RECORDS, end=ENDPOINT)
    assert not slot.decoder.work()
    assert slot.question is None
    for _ in range(2):  # the first stays until the next is asked for
        assert slot.client.take() is not None
    assert slot.decoder.work()
    slot.hears("cb")
    assert slot.decoder.work()
    assert texts(slot.results())[-1] == "cb."


# -- partials


class Sure(SpellingSearch):
    """A search whose words never change again, as far as it can know."""

    def partial(self) -> FrameHypothesis:
        found = super().partial()
        return replace(found, words=tuple(replace(word, stable=True) for word in found.words))


def test_quick_partials_wait_for_nothing_and_may_change(eager_slot: AskingSlot) -> None:
    eager_slot.search = Sure
    eager_slot.start_decoder()
    eager_slot.emit("abcabc")
    eager_slot.emit("d ab", first=6, end=ENDPOINT)
    (partial,) = eager_slot.results()
    assert text_of(partial) == "abcabc"
    assert not any(word.stable for word in partial.hypothesis.words)
    assert eager_slot.hears("abcabcd cb").purpose is Purpose.FINAL
    (final,) = eager_slot.results()
    assert text_of(final) == "abcabcd cb."
    assert all(word.stable for word in final.hypothesis.words)


def test_a_partial_after_a_held_final_comes_after_it(eager_slot: AskingSlot) -> None:
    eager_slot.emit("abcabc", end=ENDPOINT)
    eager_slot.emit("dadada", segment=1, start=12)
    assert eager_slot.results() == []
    eager_slot.hears("abcabd")
    assert texts(eager_slot.results()) == ["abcabd.", "dadada"]


def test_default_partials_wait_and_are_asked_as_such(slot: AskingSlot) -> None:
    slot.emit("abcd" * 8)
    slot.emit("ab cd_da", first=32)
    slot.emit("__", first=40)
    assert slot.results() == []
    said = "abcd" * 8 + "ab cd"
    assert slot.hears(said + "a") == Question(1, 0, 40 * FRAME, Purpose.PARTIAL)
    (partial,) = slot.results()
    assert text_of(partial) == said + "a"
    assert not any(word.stable for word in partial.hypothesis.words)
    slot.emit("b", first=42, end=ENDPOINT)
    assert slot.results() == []
    assert slot.hears(said + "ab") == Question(2, 0, 43 * FRAME, Purpose.FINAL)
    assert texts(slot.results()) == [said + "ab."]


def test_a_final_never_waits_for_a_partial(slot: AskingSlot) -> None:
    """The partial is the first pass's then, and its question is open no more."""
    slot.emit("abcd" * 8)
    slot.emit("ab cd_da", first=32)
    assert slot.results() == []
    assert slot.question == Question(1, 0, 40 * FRAME, Purpose.PARTIAL)
    slot.emit("b", first=40, end=MARK)
    said = "abcd" * 8 + "ab cdda"
    assert texts(slot.results()) == [said]
    assert slot.hears("abcd" * 8 + "ab cdab") == Question(3, 0, 41 * FRAME, Purpose.FINAL)
    assert texts(slot.results()) == ["abcd" * 8 + "ab cdab."]


def test_a_partial_that_is_not_due_asks_nothing(slot: AskingSlot) -> None:
    slot.emit("abcd" * 8)
    assert slot.results() == []
    assert slot.question is None
    assert slot.decoder._words.tail == 1


# -- ahead of the end


def test_a_final_takes_the_answer_to_what_was_asked_ahead(slot: AskingSlot) -> None:
    slot.emit("ab c")
    assert slot.results() == []
    slot.worker.pauses(0, 10)
    assert slot.results() == []
    assert slot.hears("ab cb") == Question(1, 0, 10, Purpose.AHEAD)
    slot.emit("d___", first=4, end=ENDPOINT, heard=10)
    assert texts(slot.results()) == ["ab cb."]
    assert slot.question is None


def test_what_was_asked_ahead_becomes_urgent_when_its_final_waits(slot: AskingSlot) -> None:
    slot.emit("ab c")
    slot.results()
    slot.worker.pauses(0, 10)
    slot.results()
    slot.emit("d___", first=4, end=MARK, heard=10)
    assert slot.results() == []
    assert slot.hears("ab cb") == Question(1, 0, 10, Purpose.FINAL)
    assert texts(slot.results()) == ["ab cb."]


def test_an_utterance_that_goes_on_is_asked_about_anew(slot: AskingSlot) -> None:
    slot.emit("ab c")
    slot.results()
    slot.worker.pauses(0, 8)
    slot.results()
    slot.hears("ab")
    slot.emit("d", first=4, end=ENDPOINT)
    assert slot.results() == []
    assert slot.hears("ab cb") == Question(2, 0, 10, Purpose.FINAL)
    assert texts(slot.results()) == ["ab cb."]


def test_what_was_asked_ahead_is_taken_back_when_speech_goes_on(slot: AskingSlot) -> None:
    slot.emit("ab c")
    slot.results()
    slot.worker.pauses(0, 8)
    slot.results()
    assert slot.question == Question(1, 0, 8, Purpose.AHEAD)
    slot.emit("d", first=4)
    for _ in range(2):  # the hint of the pause still stands
        slot.results()
        taken_back = slot.question
        assert taken_back is not None
        assert taken_back.number == 2
        assert taken_back.start == taken_back.stop
    slot.worker.pauses(0, 11)
    slot.results()
    assert slot.question == Question(3, 0, 11, Purpose.AHEAD)


def test_a_pause_is_asked_about_once_and_not_before_anything_was_spoken(slot: AskingSlot) -> None:
    slot.worker.pauses(0, 8)
    slot.emit("____")
    assert slot.results() == []
    assert slot.question is None
    slot.emit("ab", first=4)
    slot.results()
    slot.hears("ab")
    slot.results()
    assert slot.question is None, "it was answered"


def test_another_segments_pause_is_not_asked_about(slot: AskingSlot) -> None:
    slot.emit("ab")
    slot.worker.pauses(4, 12)
    slot.results()
    assert slot.question is None


def test_a_pause_is_asked_about_again_after_a_partial(slot: AskingSlot) -> None:
    slot.emit("abcd" * 8)
    slot.results()
    slot.worker.pauses(0, 70)
    slot.results()
    assert slot.question == Question(1, 0, 70, Purpose.AHEAD)
    slot.emit("ab cd___", first=32, heard=70)
    slot.results()
    assert slot.hears("abcd" * 8 + "ab cd") == Question(2, 0, 70, Purpose.PARTIAL)
    slot.results()
    assert slot.question == Question(3, 0, 70, Purpose.AHEAD)


def test_what_nobody_would_hear_is_not_asked_ahead_again(slot: AskingSlot) -> None:
    slot.emit("ab c")
    slot.results()
    slot.worker.pauses(0, 10)
    slot.results()
    slot.start_second_pass(1 + GIVEN_UP_AFTER_STARTS)
    slot.results()
    question = slot.question
    assert question is not None
    assert question.start == question.stop
    slot.results()
    assert slot.question == question, "and is not asked again"


def test_a_client_that_leaves_in_a_pause_is_heard_for_no_more(slot: AskingSlot) -> None:
    slot.emit("ab c")
    slot.results()
    slot.worker.pauses(0, 10)
    slot.results()
    slot.client.end_session()
    slot.results()
    assert slot.question is not None
    assert slot.question.start == slot.question.stop


# -- clients that leave


@pytest.mark.parametrize("late_answer", [False, True])
def test_a_client_that_leaves_while_its_final_is_held(slot: AskingSlot, late_answer: bool) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    assert slot.results() == []
    slot.reconnect()
    if late_answer:
        slot.hears("ab cb")
    assert slot.results() == []
    slot.emit("da", end=ENDPOINT)
    assert slot.results() == []
    assert slot.hears("db") == Question(3, 0, 2 * FRAME, Purpose.FINAL)
    assert texts(slot.results()) == ["db."]


def test_nobody_comes_after_it(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    slot.results()
    slot.client.end_session()
    assert slot.results() == []
    assert slot.emission_commit == 1, "the ring is free for the next client"
    slot.hears("ab cb")
    assert slot.results() == []


def test_a_client_that_leaves_while_a_partial_is_held(slot: AskingSlot) -> None:
    slot.emit("abcd" * 8)
    slot.emit("abcdabcd", first=32)
    assert slot.results() == []
    slot.reconnect()
    slot.emit("da", end=ENDPOINT)
    assert slot.results() == []
    assert slot.hears("da") == Question(3, 0, 2 * FRAME, Purpose.FINAL)
    (final,) = slot.results()
    assert [(word.text, word.start_ms) for word in final.hypothesis.words] == [("da", 0)]


# -- deaths


def test_after_one_death_the_successor_is_waited_for(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    assert slot.results() == []
    for generation in range(2, 1 + GIVEN_UP_AFTER_STARTS):
        slot.start_second_pass(generation)
        assert slot.results() == []
    slot.hears("ab cb")
    assert texts(slot.results()) == ["ab cb."]


def test_when_none_can_be_started_the_first_passs_text_is_final(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    slot.emit("da", segment=1, start=10, end=ENDPOINT)
    assert slot.results() == []
    slot.start_second_pass(1 + GIVEN_UP_AFTER_STARTS)
    assert texts(slot.results()) == ["ab cd.", "da."], "the next waits for no more of them"
    slot.second_pass_goes_round()
    slot.emit("da", segment=2, start=14, end=ENDPOINT)
    assert texts(slot.results()) == []
    assert slot.hears("db") == Question(5, 14, 18, Purpose.FINAL)
    assert texts(slot.results()) == ["db."]


def test_what_the_second_pass_gives_up_has_the_first_passs_text(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    assert slot.results() == []
    slot.gives_up()
    assert texts(slot.results()) == ["ab cd."]


def test_a_successor_does_not_find_what_nobody_waits_for_any_more(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    slot.results()
    slot.start_second_pass(1 + GIVEN_UP_AFTER_STARTS)
    assert texts(slot.results()) == ["ab cd."]
    slot.start_second_pass(2 + GIVEN_UP_AFTER_STARTS)
    assert slot.question is None or slot.question.start == slot.question.stop


def test_whoever_left_is_heard_for_no_more(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    slot.results()
    slot.client.end_session()
    assert slot.results() == []
    assert slot.question is None or slot.question.start == slot.question.stop


def test_an_answer_counts_however_many_died_for_it(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    assert slot.results() == []
    slot.start_second_pass(2 + GIVEN_UP_AFTER_STARTS)
    slot.hears("ab cb")
    assert texts(slot.results()) == ["ab cb."]


def test_deaths_before_the_question_do_not_count(slot: AskingSlot) -> None:
    slot.start_second_pass(2 + GIVEN_UP_AFTER_STARTS)
    slot.second_pass_goes_round()
    slot.emit("ab cd", end=ENDPOINT)
    assert slot.results() == []
    assert slot.question is not None


def test_a_partial_is_given_up_as_a_final_is(slot: AskingSlot) -> None:
    slot.emit("abcd" * 8)
    slot.emit("abcdabcd", first=32)
    assert slot.results() == []
    slot.start_second_pass(1 + GIVEN_UP_AFTER_STARTS)
    assert texts(slot.results()) == ["abcd" * 10]


def test_a_worker_that_was_replaced_while_a_final_is_held(slot: AskingSlot) -> None:
    """It begins the segment again behind the record that settles it."""
    slot.emit("ab cd", end=ENDPOINT)
    assert slot.results() == []
    slot.emit("ab cd", end=ENDPOINT)
    slot.emit("da", segment=1, start=10, end=ENDPOINT)
    assert slot.results() == []
    slot.hears("ab cb")
    assert texts(slot.results()) == ["ab cb."]
    slot.hears("da")
    assert texts(slot.results()) == ["da."]


def test_a_new_attempt_is_asked_about_alone(slot: AskingSlot) -> None:
    """What a dead worker had published of the segment is in neither question nor alignment."""
    slot.emit("dd")
    slot.emit("ab")
    slot.emit(" cd", first=2, end=ENDPOINT)
    assert slot.results() == []
    assert slot.hears("ab cb") == Question(1, 0, 5 * FRAME, Purpose.FINAL)
    (final,) = slot.results()
    times = [(word.start_ms, word.end_ms) for word in final.hypothesis.words]
    assert times == [(0, 200), (200, 500)]


def test_a_decoder_that_died_while_it_held_asks_again(slot: AskingSlot) -> None:
    slot.emit("ab cd", end=ENDPOINT)
    assert slot.results() == []
    slot.start_decoder()
    assert slot.results() == []
    assert slot.hears("ab cb") == Question(2, 0, 5 * FRAME, Purpose.FINAL)
    assert texts(slot.results()) == ["ab cb."]


HEARD = {(0, 20): "abcabcd ad", (0, 12): "abcabd", (20, 32): "cdcdcb", (20, 44): "cdcdcdbd"}
"""By the samples asked about; `history` has no others."""


def history(slot: AskingSlot) -> None:
    """Two utterances in several records, with partials, an empty final and an old attempt."""
    slot.emit("abcabc")
    slot.emit("d ab", first=6, end=ENDPOINT)
    slot.emit("", segment=1, start=20, end=MARK)
    slot.emit("cdcdcd", segment=2, start=20)
    slot.emit("cdcdcd", segment=2, start=20)
    slot.emit("ba____", segment=2, start=20, first=6, end=MARK)


def answer_all(slot: AskingSlot) -> None:
    """Decoder and second pass take turns until neither has anything to do."""
    slot.results()
    while (question := slot.question) is not None:
        slot.hears(HEARD[question.start, question.stop])
        slot.results()


def undisturbed(*, partials: bool) -> list[str]:
    with asking_slot(INTERMED_PARTIAL_MS, partials=partials) as slot:
        history(slot)
        answer_all(slot)
        return texts(slot.received)


def test_the_history_without_a_death() -> None:
    finals = ["abcabcd ad.", ".", "cdcdcdbd."]
    assert undisturbed(partials=False) == ["abcabc", *finals[:2], "cdcdcd", finals[2]]
    assert undisturbed(partials=True) == ["abcabc", *finals[:2], "cdcdcd", finals[2]]


@pytest.mark.parametrize("partials", [False, True])
def test_a_decoder_that_dies_at_any_store_says_the_same(partials: bool) -> None:
    """Also between question and answer, and at the stores of a question."""
    wanted = undisturbed(partials=partials)
    for stores in itertools.count():
        with asking_slot(INTERMED_PARTIAL_MS, partials=partials) as slot:
            history(slot)
            died = dies_after_answers(slot, stores)
            slot.start_decoder()
            answer_all(slot)
            assert texts(slot.received) == wanted, f"died after {stores} stores"
        if not died:
            break
    assert stores > 30, "every record and every question was reached"


def dies_after_answers(slot: AskingSlot, stores: int) -> bool:
    """As `dies_after`, with a second pass that answers meanwhile."""
    try:
        slot.start_decoder(WatchedPlane(slot.plane, Fuse(stores)))
        answer_all(slot)
    except CrashError:
        return True
    return False
