from __future__ import annotations

from gpu_worker.decoding import BeamSearch, FrameHypothesis, FrameWord, ReferenceSearch, Search
from gpu_worker.decoding.vocabulary import Vocabulary


def test_text_joins_the_words() -> None:
    words = (FrameWord("hello", 0.9, 0, 3, True), FrameWord("you", 0.8, 4, 6, False))
    assert FrameHypothesis(words, 0.85).text == "hello you"
    assert FrameHypothesis((), 0.0).text == ""


def test_both_decoders_keep_the_protocol() -> None:
    vocabulary = Vocabulary(("_", " ", "a"), 0)
    searches: list[Search] = [
        BeamSearch(vocabulary, 5, None),
        ReferenceSearch(vocabulary, 5, None),
    ]
    assert [search.final() for search in searches] == [FrameHypothesis((), 0.0)] * 2
