"""Which text an utterance ends with: what the attention model heard, held against the first pass.

Each hypothesis is first cut where CTC stops supporting its words: an attention model may run on
after the last word, repeat, or invent text where nothing is said. What is left is scored by
attention, CTC and language model together, as in the two-pass recognisers U2 (Zhang et al. 2020,
arXiv 2012.05481) and Sainath et al. (2019, arXiv 1908.10992).

Pure; the weights were chosen on development speech (`python -m bench.second_pass`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shm.heard import Heard

CTC_WEIGHT: Final = 0.08
LANGUAGE_WEIGHT: Final = 0.3
WORD_BONUS: Final = 0.25
"""What each word adds: the other scores only ever fall with more words."""

LEAST_SUPPORT: Final = 14.0
"""By so many nats a word CTC must prefer a text to silence, or nothing was said. In 1,296 clips it
was 17.6 at least."""

SURE_SUPPORT: Final = 6.0
"""What is enough where attention is sure of the text; for each nat that it is not, a nat more. A
word that is said alone, CTC often hears as another that sounds like it. Of 425 words cut out of
clips 9 come out empty so; less would let more through of babble and of speech played backwards
(docs/LOG.md)."""

DOUBT_SHARE: Final = 0.1
"""This much of its support a text may lose again to words at its end: they are often quick and
quiet, and CTC hears worse. With none, one clip in twenty loses words that were said."""

MISSED_PER_S: Final = 50.0
"""By so many nats a second CTC may prefer the first pass's text. Of 1,296 clips none did (34 at
most, then 18); with only their first half, nine in ten did."""

MISSED_WORDS: Final = 4
"""So many words more must the first pass have: short texts can differ much for a letter or two."""


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


def choose(heard: Sequence[Heard], first_pass: str, scores: Scores) -> str:
    """The best of the supported texts, "" if none is; the first pass's where nothing was heard."""
    # Words go before none: these have nothing that the language model could find unlikely.
    best_rank, best = (False, -np.inf), first_pass
    for hypothesis in heard:
        prefixes = scores.prefixes(hypothesis.text)
        kept = supported(prefixes, hypothesis.log_prob)
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


def supported(prefixes: NDArray[np.float64], log_prob: float) -> int:
    """How many words of a text CTC lets pass; see `Scores.prefixes`.

    ``log_prob`` is attention's, of the whole text.
    """
    best = int(prefixes.argmax())
    if best == 0:
        return 0
    support = prefixes[best] - prefixes[0]
    if support < min(LEAST_SUPPORT, SURE_SUPPORT - log_prob) * best:
        return 0
    return int(np.flatnonzero(prefixes >= prefixes[best] - DOUBT_SHARE * support)[-1])


def misses_speech(text: str, first_pass: str, scores: Scores, seconds: float) -> bool:
    """Whether most of what was said in these ``seconds`` is not in the text.

    An attention model now and then stops after a few words of a long utterance. CTC's words are
    less accurate, but all there.
    """
    if len(first_pass.split()) < len(text.split()) + MISSED_WORDS:
        return False
    ours, theirs = scores.wholes([text, first_pass])
    return bool(theirs > ours + MISSED_PER_S * seconds)
