"""Delays to finals, and words that two finals share."""

from __future__ import annotations

import pytest

from bench.eval.endings import Endings, is_cut
from bench.eval.messages import Hypothesis
from bench.eval.word_times import SpokenWord
from tests.bench.eval.builders import final, partial, word

FIRST = [SpokenWord("one", 0, 400), SpokenWord("two", 400, 1000)]
SECOND = [SpokenWord("three", 2500, 3000)]
HEARD = (word("one", 0, 400), word("two", 400, 1000))


def entered(*messages: Hypothesis) -> Endings:
    endings = Endings()
    endings.enter([FIRST, SECOND], messages)
    return endings


def test_the_delay_is_to_the_first_final_in_the_pause() -> None:
    endings = entered(
        partial(*HEARD, sent_ms=1200), final(*HEARD, sent_ms=1600), final(*HEARD, sent_ms=2000)
    )
    assert (endings.utterances, endings.answered) == (1, 1)
    assert endings.delays_ms == [600]


@pytest.mark.parametrize("arrived_ms", [900, 2600])
def test_a_final_outside_the_pause_is_no_answer(arrived_ms: float) -> None:
    assert entered(final(*HEARD, sent_ms=arrived_ms)).answered == 0


def test_the_late_final_of_an_earlier_part_is_no_answer() -> None:
    """The utterance was split: what comes first after its last word is the part before that."""
    endings = entered(final(HEARD[0], sent_ms=1200), final(HEARD[1], sent_ms=1900))
    assert endings.delays_ms == [900]


def test_a_final_without_words_is_no_answer() -> None:
    assert entered(final(sent_ms=1600)).answered == 0


@pytest.mark.parametrize(
    ("before_ends", "after_starts", "cut"),
    [(600, 700, True), (400, 400, False), (450, 700, False), (600, 950, False)],
)
def test_a_word_is_cut_if_both_finals_have_a_part_of_it(
    before_ends: float, after_starts: float, cut: bool
) -> None:
    finals = [final(word("one", 0, before_ends)), final(word("to", after_starts, 1000))]
    assert is_cut(FIRST[1], finals) is cut
    assert entered(*finals).cut == cut
