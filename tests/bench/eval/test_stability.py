"""The ledger of stable words."""

from __future__ import annotations

from bench.eval.stability import Ledger, stable_words
from tests.bench.eval.builders import final, partial, word

ONE = word("one", 0, 300, is_stable=True)
TWO = word("two", 300, 600, is_stable=True)
LOOSE_TWO = word("two", 300, 600)
TOO = word("too", 300, 600, is_stable=True)


def test_stable_words_end_at_the_first_that_may_change() -> None:
    assert stable_words(partial(ONE, LOOSE_TWO, TOO)) == [ONE]


def test_words_that_stay_are_counted_once_with_their_delay() -> None:
    ledger = Ledger()
    ledger.enter(
        [
            partial(ONE, LOOSE_TWO, sent_ms=700),
            partial(ONE, TWO, sent_ms=1300),
            final(ONE, TWO, word("three", 600, 900, is_stable=True), sent_ms=2000),
        ]
    )
    assert (ledger.words, ledger.early, ledger.changed, ledger.moved) == (3, 2, 0, 0)
    assert ledger.delays_ms == [400, 700]
    assert (ledger.finals, ledger.foretold, ledger.exactly) == (1, 1, 0)


def test_a_changed_word_is_found_in_a_partial_and_in_a_final() -> None:
    for after in (partial(ONE, TOO), final(ONE, TOO)):
        ledger = Ledger()
        ledger.enter([partial(ONE, TWO), after])
        assert (ledger.changed, ledger.moved) == (1, 0)


def test_a_word_that_vanishes_has_changed() -> None:
    ledger = Ledger()
    ledger.enter([partial(ONE, TWO), final(ONE)])
    assert (ledger.changed, ledger.early) == (1, 1)


def test_a_stable_word_counts_as_such_until_the_final() -> None:
    """Whatever is said of it in between."""
    ledger = Ledger()
    unsure = word("one", 0, 300, is_stable=False)
    ledger.enter([partial(ONE), partial(unsure), final(TWO)])
    assert ledger.changed == 1


def test_moved_times_are_no_changed_text() -> None:
    ledger = Ledger()
    ledger.enter([partial(ONE), final(word("one", 0, 320, is_stable=True))])
    assert (ledger.changed, ledger.moved) == (0, 1)


def test_utterances_and_connections_start_afresh() -> None:
    ledger = Ledger()
    ledger.enter([partial(ONE), final(ONE), partial(TWO), final(TWO)])
    ledger.enter([partial(TOO), final(TOO)])
    assert (ledger.changed, ledger.words, ledger.finals, ledger.exactly) == (0, 3, 3, 3)


def test_an_empty_final_is_no_utterance_and_a_lone_final_was_not_foretold() -> None:
    ledger = Ledger()
    ledger.enter([final(), final(ONE)])
    assert (ledger.finals, ledger.foretold, ledger.exactly) == (1, 0, 0)
    assert ledger.as_json()["delay_ms"] is None
