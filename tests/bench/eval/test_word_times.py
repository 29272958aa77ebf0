"""Errors of word times."""

from __future__ import annotations

from bench.eval.word_times import SpokenWord, TimeErrors
from tests.bench.eval.builders import word

SPOKEN = [SpokenWord("one", 100, 400), SpokenWord("two", 400, 700), SpokenWord("three", 900, 1300)]


def test_only_words_that_were_heard_right_count() -> None:
    errors = TimeErrors()
    errors.enter(SPOKEN, [word("one", 120, 390), word("too", 0, 5000), word("three", 850, 1360)])
    assert errors.starts_ms == [20, 50]
    assert errors.ends_ms == [10, 60]


def test_nothing_right() -> None:
    errors = TimeErrors()
    errors.enter(SPOKEN, [])
    assert errors.as_json() == {"start_ms": None, "end_ms": None}
