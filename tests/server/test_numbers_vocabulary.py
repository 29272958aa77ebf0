"""The tables: every word has the worth that it has in English, and belongs where it is listed."""

from __future__ import annotations

from num2words import num2words

from server import numbers_vocabulary as vocabulary


def test_words_below_a_hundred_are_worth_what_they_say() -> None:
    assert {num2words(value) for value in range(1, 100)} == vocabulary.BELOW_HUNDRED.keys()
    for word, value in vocabulary.BELOW_HUNDRED.items():
        assert word == num2words(value)


def test_ordinals_below_a_hundred_are_worth_what_they_say() -> None:
    expected = {num2words(value, to="ordinal"): value for value in range(1, 100)}
    assert expected == vocabulary.ORDINALS


def test_decades_are_the_plurals_of_tens() -> None:
    plurals = {f"{word[:-1]}ies": value for word, value in vocabulary.TENS.items()}
    assert {**plurals, "hundreds": 0} == vocabulary.DECADES


def test_what_only_follows_is_no_part_by_itself() -> None:
    assert not vocabulary.FOLLOWERS & vocabulary.PARTS
    assert vocabulary.NUMBERS < vocabulary.PARTS
    assert vocabulary.CENTS | vocabulary.CURRENCIES.keys() < vocabulary.FOLLOWERS
    assert vocabulary.MINUS < vocabulary.JOINERS
