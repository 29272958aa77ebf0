"""Which text an utterance ends with: what the attention model heard, held against the first pass.

Each hypothesis is first cut where CTC stops supporting its words: an attention model may run on
after the last word, repeat, or invent text where nothing is said. What is left is scored by
attention, CTC and language model together, as in the two-pass recognisers U2 (Zhang et al. 2020,
arXiv 2012.05481) and Sainath et al. (2019, arXiv 1908.10992).

Pure; the weights were chosen on development speech (`python -m bench.second_pass`). How much CTC
says for what was said, and for what was not, is the first model's own: its limits are in its
`model.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shm.heard import Heard

CTC_WEIGHT: Final = 0.08
LANGUAGE_WEIGHT: Final = 0.3
WORD_BONUS: Final = 0.25
"""What each word adds: the other scores only ever fall with more words."""

DOUBT_SHARE: Final = 0.1
"""This much of its support a text may lose again to words at its end: they are often quick and
quiet, and CTC hears worse. With none, one clip in twenty loses words that were said."""

MISSED_WORDS: Final = 4
"""So many words more must the first pass have: short texts can differ much for a letter or two."""


@dataclass(frozen=True, slots=True)
class Support:
    """By how much CTC must prefer a text to silence, in nats for each of its words.

    Attributes:
        least: with less, nothing was said.
        sure: what is enough where attention is sure of the text; for each nat that it is not, a nat
            more. A word that is said alone, CTC often hears as another that sounds like it.
    """

    least: float
    sure: float


class Scores(Protocol):
    """What the choice needs to know of texts. All are natural logarithms."""

    def prefixes(self, text: str) -> NDArray[np.float64]:
        """CTC log-probabilities of the text's first 0, 1, ... all words: (words + 1,)."""
        ...

    def wholes(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """CTC log-probabilities of whole texts, (texts,): `prefixes`' last, in one go."""
        ...

    def language(self, text: str) -> float:
        """The language model's log-probability of the text; 0.0 without a model."""
        ...


def choose(heard: Sequence[Heard], first_pass: str, scores: Scores, support: Support) -> str:
    """The best of the supported texts, "" if none is; the first pass's where nothing was heard."""
    # Words go before none: these have nothing that the language model could find unlikely.
    best_rank, best = (False, -np.inf), first_pass
    for hypothesis in heard:
        prefixes = scores.prefixes(hypothesis.text)
        kept = supported(prefixes, hypothesis.log_prob, support)
        text = " ".join(hypothesis.text.split()[:kept])
        score = (
            hypothesis.log_prob
            + CTC_WEIGHT * float(prefixes[kept])
            + LANGUAGE_WEIGHT * scores.language(text)
            + WORD_BONUS * kept
        )
        if (kept > 0, score) > best_rank:
            best_rank, best = (kept > 0, score), text
    return best


def supported(prefixes: NDArray[np.float64], log_prob: float, support: Support) -> int:
    """How many words of a text CTC lets pass; see `Scores.prefixes`.

    ``log_prob`` is attention's, of the whole text.
    """
    words, preferred = preference(prefixes)
    if words == 0 or preferred < min(support.least, support.sure - log_prob) * words:
        return 0
    least = prefixes[words] - DOUBT_SHARE * preferred
    return int(np.flatnonzero(prefixes >= least)[-1])


def preference(prefixes: NDArray[np.float64]) -> tuple[int, float]:
    """The number of words of a text that CTC prefers to silence most, and by how many nats."""
    words = int(prefixes.argmax())
    return words, float(prefixes[words] - prefixes[0]) if words else 0.0


def missed_nats_per_s(text: str, first_pass: str, scores: Scores, seconds: float) -> float:
    """By how many nats a second CTC prefers the first pass's text, if that is longer; else 0.

    An attention model now and then stops after a few words of a long utterance. CTC's words are
    less accurate, but all there. Longer is by `MISSED_WORDS`.
    """
    if len(first_pass.split()) < len(text.split()) + MISSED_WORDS:
        return 0.0
    ours, theirs = scores.wholes([text, first_pass]).tolist()
    return float(theirs - ours) / seconds
