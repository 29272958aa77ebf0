from __future__ import annotations

import pytest

from gpu_worker.decoding.spelling import Speller, UnspellableError
from gpu_worker.decoding.vocabulary import Vocabulary


def spelled(vocabulary: Vocabulary, word: str) -> list[str]:
    return [vocabulary.tokens[token] for token in Speller(vocabulary).word(word)]


def test_characters(characters: Vocabulary) -> None:
    assert spelled(characters, "it's") == ["i", "t", "'", "s"]
    assert Speller(characters).between_words == (1,)


@pytest.mark.parametrize("word", ["naïve", "Cat", ""])
def test_what_has_no_token_is_named(characters: Vocabulary, word: str) -> None:
    with pytest.raises(UnspellableError, match=f"'{word}' cannot be spelled"):
        Speller(characters).word(word)


def test_the_blank_spells_nothing() -> None:
    with pytest.raises(UnspellableError):
        Speller(Vocabulary(("x", " ", "a"), blank=0)).word("x")


def test_as_few_pieces_as_possible() -> None:
    pieces = Vocabulary(("<blank>", "▁", "c", "a", "t", "s", "▁ca", "▁c", "ats"), blank=0)
    assert spelled(pieces, "cats") == ["▁c", "ats"]  # the longest first piece would need one more
    assert spelled(pieces, "at") == ["▁", "a", "t"]
    assert spelled(pieces, "cas") == ["▁ca", "s"]
    assert Speller(pieces).between_words == ()
