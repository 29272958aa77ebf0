"""Which text an utterance ends with: what the attention model heard, held against the first pass.

Each hypothesis is first cut where CTC stops supporting its words: an attention model may run on
after the last word, repeat, or invent text where nothing is said. What is left is scored by
attention, CTC and language model together, as in the two-pass recognisers U2 (Zhang et al. 2020,
arXiv 2012.05481) and Sainath et al. (2019, arXiv 1908.10992).

Pure; the weights were chosen on development speech (`python -m bench.second_pass`). How much CTC
says for what was said, and for what was not, is the first model's own: see `Support`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.spec import ModelSpec
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
    """How much CTC must say for a text to be believed, in nats; a model that is surer says more.

    Attributes:
        least: by so many a word CTC must prefer a text to silence, or nothing was said.
        sure: what is enough where attention is sure of the text; for each nat that it is not, a nat
            more. A word that is said alone, CTC often hears as another that sounds like it.
        missed_per_s: where CTC prefers the first pass's text by more than so many a second, most of
            what was said is missing in the other.
    """

    least: float
    sure: float
    missed_per_s: float

    @classmethod
    def of_model(cls, spec: ModelSpec) -> Support:
        """What the model directory says."""
        return cls(spec.least_support, spec.sure_support, spec.missed_per_s)


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
    best = int(prefixes.argmax())
    if best == 0:
        return 0
    preferred = prefixes[best] - prefixes[0]
    if preferred < min(support.least, support.sure - log_prob) * best:
        return 0
    return int(np.flatnonzero(prefixes >= prefixes[best] - DOUBT_SHARE * preferred)[-1])


def misses_speech(
    text: str, first_pass: str, scores: Scores, seconds: float, support: Support
) -> bool:
    """Whether most of what was said in these ``seconds`` is not in the text.

    An attention model now and then stops after a few words of a long utterance. CTC's words are
    less accurate, but all there.
    """
    if len(first_pass.split()) < len(text.split()) + MISSED_WORDS:
        return False
    ours, theirs = scores.wholes([text, first_pass])
    return bool(theirs > ours + support.missed_per_s * seconds)
