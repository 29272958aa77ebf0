from __future__ import annotations

import numpy as np
import pytest

from gpu_worker.decoding import Vocabulary
from gpu_worker.decoding.token_paths import ROOT, Timing, TokenPaths


def append(paths: TokenPaths, path: int, token: int, frame: int, end: int, peak: float) -> int:
    """One token more; `end` and `peak` are those of the token before."""
    opens = token in {1, 4}
    columns = [np.array([value]) for value in (path, token, opens, end, peak)]
    return int(paths.add(columns[0], columns[1], frame, *columns[2:])[0])


def spelled(paths: TokenPaths, tokens: list[int]) -> int:
    """Token i at frame 2 i, held for one frame, with log-probability -i."""
    path = ROOT
    for index, token in enumerate(tokens):
        path = append(paths, path, token, 2 * index, 2 * index - 1, -float(index - 1))
    return path


def test_words_of_characters() -> None:
    paths = TokenPaths(Vocabulary(("_", " ", "a", "b"), 0))
    path = spelled(paths, [2, 3, 1, 3, 3])
    assert paths.word(path, 9, -4.0) == ("bb", Timing(6, 9, -7.0, -4.0, 2))
    space = spelled(paths, [2, 3, 1])
    assert paths.word_before(space) == ("ab", Timing(0, 3, -1.0, -1.0, 2))


def test_words_of_pieces() -> None:
    paths = TokenPaths(Vocabulary(("▁", "▁ab", "c", "_", "▁d"), 3))
    path = spelled(paths, [1, 2, 4])
    assert paths.word(path, 5, -2.0) == ("d", Timing(4, 5, -2.0, -2.0, 1))
    assert paths.word_before(path) == ("abc", Timing(0, 3, -1.0, -1.0, 2))


def test_a_bare_word_start_does_not_count_as_a_character() -> None:
    paths = TokenPaths(Vocabulary(("c", "▁", "_"), 2))
    path = spelled(paths, [1, 0])
    assert paths.word(path, 3, -1.0) == ("c", Timing(2, 3, -1.0, -1.0, 1))


def test_growing_keeps_what_is_there() -> None:
    paths = TokenPaths(Vocabulary(("_", " ", "a"), 0))
    path = spelled(paths, [2] * 3000)
    word, timing = paths.word(path, 5999, -2999.0)
    assert (len(word), timing.start_frame, timing.tokens) == (3000, 0, 3000)
    assert timing.log_prob == pytest.approx(-sum(range(3000)))
    assert timing.min_log_prob == -2999.0


def test_clear_starts_again_from_the_root() -> None:
    paths = TokenPaths(Vocabulary(("_", " ", "a"), 0))
    first = spelled(paths, [2, 2])
    paths.clear()
    assert spelled(paths, [2, 2]) == first
