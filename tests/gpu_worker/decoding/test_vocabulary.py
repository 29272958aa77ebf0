from __future__ import annotations

import pytest

from gpu_worker.decoding import Vocabulary


def test_characters_with_a_space_between_words() -> None:
    vocabulary = Vocabulary(("_", " ", "'", "a"), blank=0)
    assert not vocabulary.word_pieces
    assert vocabulary.labels == ("", " ", "'", "a")
    assert vocabulary.spellings == ("", "", "'", "a")
    assert vocabulary.opens_word == (False, True, False, False)


def test_word_pieces() -> None:
    vocabulary = Vocabulary(("<unk>", "▁the", "s", "▁", "<blank>"), blank=4)
    assert vocabulary.word_pieces
    assert vocabulary.labels == ("▁⁇▁", "▁the", "s", "▁", "")
    assert vocabulary.spellings == ("⁇", "the", "s", "", "")
    assert vocabulary.opens_word == (True, True, False, True, False)
    assert vocabulary.closes_word == (True, False, False, True, False)


def test_the_blank_s_own_text_does_not_matter() -> None:
    assert Vocabulary((" ", "a", "a"), blank=2).labels == (" ", "a", "")


@pytest.mark.parametrize(
    ("tokens", "blank", "message"),
    [
        (("_", " ", "a"), 3, "blank must be"),
        (("_", " ", "a"), -1, "blank must be"),
        ((), 0, "blank must be"),
        (("_", " ", "a", "a"), 0, "stands twice"),
        (("_", " ", ""), 0, "is empty"),
        (("_", "a", "b"), 0, "either ' ' as a token"),
        (("_", " ", "▁a"), 0, "not both"),
        (("_", " ", "a b"), 0, "white space"),
        (("_", " ", "\n"), 0, "white space"),
        (("_", "▁a", "##b"), 0, "'##'"),
        (("_", "▁a", "b▁"), 0, "only stand first"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tokens: tuple[str, ...], blank: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        Vocabulary(tokens, blank)
    assert "\n" not in str(error.value)
