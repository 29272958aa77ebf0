from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.decoding.lexicon import Lexicon
from gpu_worker.decoding.spelling_hash import spelling_hashes

short = st.text(alphabet="abc", min_size=1, max_size=5)


@given(words=st.sets(short, min_size=1, max_size=60), asked=st.lists(short, max_size=60))
def test_holds_exactly_the_beginnings_of_words(words: set[str], asked: list[str]) -> None:
    asked += sorted(words)
    expected = [any(word.startswith(start) for word in words) for start in asked]
    assert Lexicon(sorted(words)).holds(spelling_hashes(asked)).tolist() == expected


def test_the_empty_spelling_begins_no_word() -> None:
    assert Lexicon(["a"]).holds(np.zeros(2, np.uint64)).tolist() == [False, False]
