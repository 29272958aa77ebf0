"""Language models by number: the newest, and older ones for as long as somebody holds them."""

from __future__ import annotations

from gpu_worker.languages import Language, Languages, LanguageSettings
from tests.gpu_worker.tiny import SpellingSearch

NEWEST = Language(3, SpellingSearch, None)
OLDER = [LanguageSettings(number, f"lm-{number}", 9, None) for number in (1, 2)]


class Loading:
    def __init__(self) -> None:
        self.numbers: list[int] = []

    def __call__(self, settings: LanguageSettings) -> Language:
        self.numbers.append(settings.number)
        return Language(settings.number, SpellingSearch, None)


def test_the_newest_is_loaded_and_older_ones_when_they_are_needed() -> None:
    load = Loading()
    languages = Languages(NEWEST, OLDER, load)
    assert languages.of(3) is NEWEST
    assert load.numbers == []
    first = languages.of(1)
    assert first.number == 1
    assert languages.of(1) is first
    assert load.numbers == [1]


def test_what_nobody_holds_is_gone() -> None:
    load = Loading()
    languages = Languages(NEWEST, OLDER, load)
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
    assert Languages(NEWEST, OLDER, Loading()).of(9) is NEWEST
    assert Languages(NEWEST).of(1) is NEWEST
