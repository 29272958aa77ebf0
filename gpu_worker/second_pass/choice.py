"""Which text an utterance ends with: what the attention model heard, held against the first pass.

Each hypothesis is first cut after the word where the CTC log-probabilities of its words are best:
an attention model that was given short features runs on after the last word, repeats, or invents
text where nothing is said, and CTC supports none of it. What is left is scored by attention, CTC
and language model together, as in the two-pass recognisers U2 (Zhang et al. 2020, arXiv 2012.05481)
and Sainath et al. (2019, arXiv 1908.10992).

An attention model cannot know the names that an operator taught the language model. Where the first
pass heard one of those words, and the CTC log-probabilities of its words are no worse than those of
what the attention model wrote in their place, the first pass is right.

Pure; the weights were chosen on development speech (`python -m bench.second_pass`).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from difflib import SequenceMatcher
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shm.heard import Heard

CTC_WEIGHT: Final = 0.15
LANGUAGE_WEIGHT: Final = 0.2
WORD_BONUS: Final = 0.8
"""What each word adds: the other scores only ever fall with more words."""


class Scores(Protocol):
    """What the choice needs to know of texts. All are natural logarithms."""

    def prefixes(self, text: str) -> NDArray[np.float64]:
        """CTC log-probabilities of the text's first 0, 1, ... all words: (words + 1,)."""
        ...

    def language(self, text: str) -> float:
        """The language model's log-probability of the text; 0.0 without a model."""
        ...


def choose(heard: Sequence[Heard], first_pass: str, taught: Set[str], scores: Scores) -> str:
    """The best supported text; that of the first pass where nothing was heard.

    ``taught`` are the words that only the operator's language model knows.
    """
    return _with_taught_words(_best_of(heard, first_pass, scores), first_pass, taught, scores)


def _best_of(heard: Sequence[Heard], first_pass: str, scores: Scores) -> str:
    best_score, best = -np.inf, first_pass
    for hypothesis in heard:
        prefixes = scores.prefixes(hypothesis.text)
        kept = int(prefixes.argmax())
        text = " ".join(hypothesis.text.split()[:kept])
        score = (
            hypothesis.log_prob
            + CTC_WEIGHT * float(prefixes[kept])
            + LANGUAGE_WEIGHT * scores.language(text)
            + WORD_BONUS * kept
        )
        if score > best_score:
            best_score, best = score, text
    return best


def _with_taught_words(text: str, first_pass: str, taught: Set[str], scores: Scores) -> str:
    """The text, with the first pass's words in the places where those hold a taught word."""
    words, others = text.split(), first_pass.split()
    if taught.isdisjoint(others):
        return text
    changes = SequenceMatcher(None, words, others, autojunk=False).get_opcodes()
    for _, start, end, other_start, other_end in reversed(changes):  # places before stay valid
        instead = others[other_start:other_end]
        if taught.isdisjoint(instead) or instead == words[start:end]:
            continue
        changed = [*words[:start], *instead, *words[end:]]
        if scores.prefixes(" ".join(changed))[-1] >= scores.prefixes(" ".join(words))[-1]:
            words = changed
    return " ".join(words)
