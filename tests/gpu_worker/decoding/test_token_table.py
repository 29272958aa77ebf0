from __future__ import annotations

import numpy as np

from gpu_worker.decoding import Vocabulary
from gpu_worker.decoding.spelling_hash import spelling_hashes
from gpu_worker.decoding.token_table import TokenTable

PIECES = TokenTable(Vocabulary(("_", "a", "▁b", "▁", "c"), 0))


def breaks(table: TokenTable, tokens: list[int], stays: list[list[int]], forced: bool = False):
    result, due = table.word_breaks(np.array(tokens), np.array(stays, np.bool_), forced)
    return result.astype(int).tolist(), due


def test_columns() -> None:
    assert PIECES.hashes.tolist() == spelling_hashes(["", "a", "b", "", "c"]).tolist()
    assert PIECES.lengths.tolist() == [0, 1, 1, 0, 1]
    assert len(set(PIECES.codes.tolist())) == 5


def test_spaces_break_words_where_they_are_new() -> None:
    table = TokenTable(Vocabulary(("_", " ", "a"), 0))
    assert breaks(table, [2, 1], [[0, 0], [0, 1]]) == ([[0, 0], [1, 0]], False)


def test_a_bare_word_start_breaks_once_more_before_the_next_candidate() -> None:
    assert breaks(PIECES, [3, 1], [[0, 0], [1, 0]]) == ([[1, 1], [0, 1]], False)
    assert breaks(PIECES, [3], [[0, 0]]) == ([[1, 1]], True)
    assert breaks(PIECES, [0, 4, 1], [[1, 1], [0, 0], [0, 0]], forced=True) == (
        [[0, 0], [1, 0], [0, 0]],
        False,
    )


def test_a_break_that_is_due_waits_while_nothing_moves() -> None:
    assert breaks(PIECES, [0], [[1, 1]], forced=True) == ([[0, 0]], True)
    assert breaks(PIECES, [3, 2], [[0], [0]]) == ([[1], [1]], False)
