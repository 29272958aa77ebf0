from __future__ import annotations

import pytest

from gpu_worker.decoding.alternatives import EMPTY, Ended, best_texts


class Tree:
    """A made-up `SentenceTree`: sentences are numbered as they are asked for."""

    def __init__(self, scores: dict[str, float] | None = None) -> None:
        self._texts = [""]
        self._scores = scores or {}

    def number(self, text: str) -> int:
        if text not in self._texts:
            self.number(" ".join(text.split()[:-1]))
            self._texts.append(text)
        return self._texts.index(text)

    def parent(self, sentence: int) -> int:
        return self.number(" ".join(self.words(sentence)[:-1]))

    def last_word(self, sentence: int) -> str:
        return self.words(sentence)[-1]

    def words(self, sentence: int) -> list[str]:
        return self._texts[sentence].split()

    def score(self, sentence: int) -> float:
        return self._scores.get(self._texts[sentence], 0.0)


def test_a_dropped_beginning_comes_back_with_what_followed() -> None:
    tree = Tree()
    ends = [Ended(tree.number("a b d"), -10.0, 0.0), Ended(tree.number("a b e"), -11.0, 0.0)]
    dropped = [(tree.number("a b"), tree.number("c b"), 2.0)]
    found = best_texts(ends, dropped, tree, 9)
    assert [(text.text, text.total) for text in found] == [
        ("a b d", -10.0),
        ("a b e", -11.0),
        ("c b d", -12.0),
        ("c b e", -13.0),
    ]
    assert [text.text for text in best_texts(ends[:1], dropped, tree, 1)] == ["a b d"]


def test_what_was_dropped_for_what_was_dropped_comes_back_too() -> None:
    tree = Tree()
    first, second, third = (tree.number(f"{word} z") for word in "abc")
    dropped = [(first, second, 1.0), (second, third, 1.0)]
    dropped.append((third, first, 0.0))  # round in a circle: nothing is found twice
    found = best_texts([Ended(first, -1.0, 0.0)], dropped, tree, 9)
    assert [(text.text, text.total) for text in found] == [
        ("a z", -1.0),
        ("b z", -2.0),
        ("c z", -3.0),
    ]


def test_the_language_model_s_part_is_the_texts_own() -> None:
    tree = Tree({"cat sat": -3.0, "does sat": -5.0})
    cat_sat, does_sat = tree.number("cat sat"), tree.number("does sat")
    best, other = best_texts([Ended(cat_sat, -5.0, -3.5)], [(cat_sat, does_sat, 4.0)], tree, 2)
    assert other.text == "does sat"
    assert other.language_score == pytest.approx(-3.5 - 2.0)
    assert other.total == pytest.approx(best.total - 4.0)


def test_no_words() -> None:
    assert best_texts([Ended(EMPTY, -1.0, 0.0)], [], Tree(), 5)[0].text == ""
