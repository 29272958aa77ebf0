"""Language models by number: the newest, and older ones for as long as somebody holds them."""

from __future__ import annotations

import os

from gpu_worker.languages import Language, Languages, LanguageSettings
from tests.gpu_worker.tiny import SpellingSearch

NEWEST = Language(3, SpellingSearch, None)
KNOWN = [LanguageSettings(number, f"lm-{number}", 9, None) for number in (1, 2, 3)]


class Loading:
    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __call__(self, settings: LanguageSettings) -> Language:
        self.numbers.append(settings.number)
        return Language(settings.number, SpellingSearch, None)


def test_the_newest_is_loaded_and_older_ones_when_they_are_needed() -> None:
    load = Loading()
    languages = Languages(NEWEST, KNOWN, load)
    assert languages.of(3) is NEWEST
    assert load.numbers == []
    first = languages.of(1)
    assert first.number == 1
    assert languages.of(1) is first
    assert load.numbers == [1]


def test_what_nobody_holds_is_gone() -> None:
    load = Loading()
    languages = Languages(NEWEST, KNOWN, load)
    ahead = languages.ahead({1, 2, 3})
    assert {language.number for language in ahead} == {1, 2, 3}
    assert len(languages._in_use) == 2
    held = languages.of(2)
    del ahead
    assert list(languages._in_use) == [2]
    del held
    assert not languages._in_use
    assert languages.of(2).number == 2, "it is loaded again"
    assert sorted(load.numbers) == [1, 2, 2]


def test_an_unknown_number_is_the_newest_one() -> None:
    assert Languages(NEWEST, KNOWN, Loading()).of(9) is NEWEST
    assert Languages(NEWEST).of(1) is NEWEST


def test_once_all_is_settled_the_copies_may_go() -> None:
    """What is held is held; nothing else is loaded any more, and no descriptor keeps a copy."""
    before = set(os.listdir("/proc/self/fd"))
    known = [
        LanguageSettings(number, "lm.bin", os.memfd_create("lm"), words_fd)
        for number, words_fd in ((1, None), (2, os.memfd_create("words")), (3, None))
    ]
    languages = Languages(NEWEST, known, Loading())
    held = languages.of(1)
    languages.settle()
    assert set(os.listdir("/proc/self/fd")) == before
    assert languages.of(1) is held
    assert languages.of(2) is NEWEST
    languages.settle()
