"""The compiled half by itself; what it gives together with the rest is in test_beam_search.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.decoding._native import LanguageScores, Lexicon, PrefixBeams, Token
from gpu_worker.decoding.spelling_hash import prefix_hashes, spelling_hashes, spelling_powers

short = st.text(alphabet="abc", min_size=1, max_size=5)
LETTERS = ("", " ", "a", "b")  # the blank, the space, two letters


def beams(
    score_word: Callable[[int, str, int], float] | None = None,
    memory: int = 1,
    beam_size: int = 50,
) -> PrefixBeams:
    texts = [text.strip() for text in LETTERS]
    hashes, powers = spelling_hashes(texts), spelling_powers(texts)
    return PrefixBeams(
        tokens=[
            Token(
                text=text,
                spelling=int(hashes[number]),
                power=int(powers[number]),
                length=len(text),
                opens_word=LETTERS[number] == " ",
                closes_word=False,
            )
            for number, text in enumerate(texts)
        ],
        blank=0,
        beam_size=beam_size,
        prune_log_prob=-10.0,
        language=score_word
        and LanguageScores(
            score_word=score_word,
            alpha=1.0,
            beta=0.0,
            ln10=1.0,
            memory=memory,
            lexicon=Lexicon(prefix_hashes(["a", "b", "ab", "ba"])),
            unknown_score=-10.0,
            usual_word_length=6,
        ),
    )


def hear(search: PrefixBeams, text: str, others: float = -20.0) -> None:
    """Frames in which each letter of `text` is likely and the others are tried at `others`."""
    rows = np.full((len(text), len(LETTERS)), others, np.float32)
    order = [LETTERS.index(letter.strip("_") or letter.strip("_ ")) for letter in text]
    rows[np.arange(len(text)), order] = -0.1
    tokens = np.tile(np.arange(len(LETTERS), dtype=np.int32), len(text))
    ends = np.arange(1, len(text) + 1, dtype=np.int32) * len(LETTERS)
    search.advance(rows, tokens, ends)


def texts(search: PrefixBeams, beam: int = 0) -> list[str]:
    return [word[0] for word in search.words(beam)]


@given(words=st.sets(short, min_size=1, max_size=60), asked=st.lists(short, max_size=60))
def test_a_lexicon_holds_exactly_the_beginnings_of_words(words: set[str], asked: list[str]) -> None:
    asked += sorted(words)
    lexicon = Lexicon(prefix_hashes(sorted(words)))
    for start in asked:
        begins = any(word.startswith(start) for word in words)
        assert lexicon.holds(int(spelling_hashes([start])[0])) == begins


def test_the_empty_spelling_begins_no_word() -> None:
    assert not Lexicon(prefix_hashes(["a"])).holds(0)
    assert not Lexicon(np.zeros(0, np.uint64)).holds(1)


def test_words_and_when_they_were_emitted() -> None:
    search = beams()
    hear(search, "aab ba")
    assert texts(search) == ["ab", "ba"]
    (_, *first), (_, *second) = search.words(0)
    assert first == [0, 3, pytest.approx(-0.2), pytest.approx(-0.1), 2]
    assert second == [4, 6, pytest.approx(-0.2), pytest.approx(-0.1), 2]


def test_a_sentence_has_one_number_and_knows_its_words() -> None:
    search = beams()
    hear(search, "a b")
    sentence = search.completed(0)
    assert search.completed(0) == sentence
    tree = search.sentences
    assert tree.words(sentence) == ["a", "b"]
    assert (tree.last_word(sentence), tree.words(tree.parent(sentence))) == ("b", ["a"])
    assert tree.words(0) == []
    assert (tree.log10s(sentence), tree.score(sentence)) == ([0.0, 0.0], 0.0)


def test_a_word_is_scored_once_for_each_history() -> None:
    asked: list[tuple[int, str, int]] = []

    def score(history: int, word: str, after: int) -> float:
        asked.append((history, word, after))
        return -float(len(word))

    search = beams(score, memory=1)
    hear(search, "a ba a ba")
    tree = search.sentences
    sentence = search.completed(0)
    assert tree.words(sentence) == ["a", "ba", "a", "ba"]
    assert tree.log10s(sentence) == [-1.0, -2.0, -1.0, -2.0]
    assert tree.score(sentence) == -6.0
    assert len({(history, word) for history, word, _ in asked}) == len(asked)
    numbers = {word: {after for _, name, after in asked if name == word} for _, word, _ in asked}
    assert all(
        len(after) == 1 for after in numbers.values()
    )  # one word of memory: one history each
    assert tree.history(sentence) in numbers["ba"]


@pytest.mark.parametrize("memory", [1, 2])
def test_what_the_model_can_tell_apart_does_not_give_way(memory: int) -> None:
    search = beams(lambda *_: -0.5, memory=memory)
    hear(search, "a b a ", others=-3.0)
    pairs = [
        [search.sentences.words(sentence)[::-1] for sentence in (kept, lost)]
        for kept, lost, _ in search.dropped()
    ]
    assert pairs
    assert all(kept[:memory] == lost[:memory] for kept, lost in pairs)
    assert any(kept[memory : memory + 1] != lost[memory : memory + 1] for kept, lost in pairs)


def test_what_gave_way_is_told_with_how_far_it_was_behind() -> None:
    search = beams(lambda *_: -0.5)
    hear(search, "a b a ", others=-3.0)
    gone = search.dropped()
    assert gone
    assert all(behind >= 0 for _, _, behind in gone)
    assert len({(kept, lost) for kept, lost, _ in gone}) == len(gone)


def test_the_common_beginning() -> None:
    search = beams()
    hear(search, "a b")
    assert search.common_length() == 1
    hear(search, "___", others=-1.0)
    assert search.common_length() == 1


def test_reset_forgets_all() -> None:
    search = beams(lambda *_: -0.5)
    hear(search, "a b", others=-3.0)
    search.reset()
    assert (texts(search), search.common_length(), search.dropped()) == ([], 0, [])
    with pytest.raises(IndexError):
        search.sentences.words(1)


def test_an_error_while_scoring_reaches_the_caller() -> None:
    def score(*_: object) -> float:
        raise LookupError("no such word")

    with pytest.raises(LookupError, match="no such word"):
        hear(beams(score), "a b")


@pytest.mark.parametrize(
    ("rows", "tokens", "ends"),
    [
        ((1, 3), [0], [1]),
        ((2, 4), [0], [1]),
        ((1, 4), [4], [1]),
        ((1, 4), [-1], [1]),
        ((1, 4), [0], [0]),
        ((1, 4), [0], [2]),
        ((2, 4), [0, 1], [2, 1]),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(
    rows: tuple[int, int], tokens: list[int], ends: list[int]
) -> None:
    search = beams()
    with pytest.raises(ValueError, match=r"belong together|no such token|needs a likely token"):
        search.advance(
            np.zeros(rows, np.float32), np.array(tokens, np.int32), np.array(ends, np.int32)
        )


@pytest.mark.parametrize("number", [-1, 7])
def test_numbers_that_were_not_given_out_are_refused(number: int) -> None:
    search = beams()
    with pytest.raises(IndexError):
        search.sentences.score(number)
    with pytest.raises((IndexError, TypeError)):
        search.words(number)
