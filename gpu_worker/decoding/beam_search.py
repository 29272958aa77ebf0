"""A CTC prefix beam search that keeps its beams between chunks and gives pyctcdecode's text.

The search is pyctcdecode 0.5.0's `BeamSearchDecoderCTC.decode` with default parameters: the prefix
beam search of Hannun et al. (2014, arXiv 1408.2873), words scored by KenLM as they are completed,
unfinished ones by whether any known word begins so. Per frame: extend all beams by all likely
tokens, merge equal ones, add the language model, prune. Here beams are NumPy arrays, spellings are
hashes, and frames without speech cost next to nothing: once all beams end in a blank, a frame in
which nothing but the blank is likely moves all scores alike.

A beam is (sentence of completed words, spelling of the unfinished word, last token or blank). Where
beams tie, pyctcdecode's order decides, so its order of visiting tokens and beams is kept.

Bounded by beam_size beams, and by the segment's frames for what they point to (`token_paths`,
`sentences`); `reset` drops it all.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding.hypothesis import FrameHypothesis
from gpu_worker.decoding.language_model import LanguageModel
from gpu_worker.decoding.log_probs import renormalised
from gpu_worker.decoding.sentences import EMPTY, Sentences
from gpu_worker.decoding.spelling_hash import Hashes
from gpu_worker.decoding.token_paths import ROOT, TokenPaths
from gpu_worker.decoding.vocabulary import Vocabulary

MAX_BEAM_SIZE: Final = 2000
TOKEN_MIN_LOG_PROB: Final = np.float32(-5.0)  # pyctcdecode's defaults
BEAM_PRUNE_LOG_PROB: Final = -10.0


class _Beams(NamedTuple):
    """The beams of one frame, best first, as columns."""

    sentence: NDArray[np.int32]
    part: Hashes  # spelling of the unfinished word
    length: NDArray[np.int32]  # of the unfinished word, in characters
    last: NDArray[np.int32]  # token of the last frame, or the blank
    score: NDArray[np.float64]  # acoustic log-probability of all alignments together
    path: NDArray[np.int32]  # of the best alignment
    end: NDArray[np.int32]  # frame after the last token that was not blank
    peak: NDArray[np.float32]  # the highest log-probability of that token while it was held


class BeamSearch:
    """A `Search` with its own beams; vocabulary and language model may be shared by many.

    Raises ValueError where `beam_size` is not within 1 to 2000.
    """

    def __init__(
        self, vocabulary: Vocabulary, beam_size: int, language_model: LanguageModel | None
    ) -> None:
        if not 1 <= beam_size <= MAX_BEAM_SIZE:
            raise ValueError(f"beam_size must be from 1 to {MAX_BEAM_SIZE}, not {beam_size}")
        self._beam_size = beam_size
        self._model = language_model
        self._tokens = TokenTable(vocabulary)
        self._paths = TokenPaths(vocabulary)
        self._sentences = Sentences(language_model)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a segment."""
        self._paths.clear()
        self._sentences.clear()
        self._frame = 0
        self._forced_break = False
        self._all_end_in_blank = True
        self._beams = _Beams(
            sentence=np.array([EMPTY], np.int32),
            part=np.zeros(1, np.uint64),
            length=np.zeros(1, np.int32),
            last=np.array([self._tokens.blank], np.int32),
            score=np.zeros(1),
            path=np.array([ROOT], np.int32),
            end=np.zeros(1, np.int32),
            peak=np.zeros(1, np.float32),
        )

    def advance(self, log_probs: NDArray[np.float32]) -> None:
        """Take the next frames, (frames, vocabulary) natural log-probabilities; 0 frames is fine.

        Raises ValueError for another shape or for NaN.
        """
        rows = renormalised(log_probs, self._tokens.width)
        best = rows.argmax(axis=1)
        likely = rows >= TOKEN_MIN_LOG_PROB
        likely[np.arange(len(rows)), best] = True
        only_blank = (best == self._tokens.blank) & (likely.sum(axis=1) == 1)
        for row, top, tokens, is_blank in zip(rows, best, likely, only_blank, strict=True):
            if is_blank and self._all_end_in_blank:
                self._beams = self._beams._replace(score=self._beams.score + row[top])
            else:
                self._step(row, _visiting_order(np.flatnonzero(tokens), int(top)))
                self._all_end_in_blank = bool(is_blank)
            self._frame += 1

    def partial(self) -> FrameHypothesis:
        """The best beam, with an unfinished last word as far as it goes."""
        stable = self._sentences.common_length(self._beams.sentence.tolist())
        return self._hypothesis(0, stable)

    def final(self) -> FrameHypothesis:
        """The best hypothesis if the segment ended here, by pyctcdecode's rules for the end."""
        beams = self._beams
        ended = self._after_word(np.arange(len(beams.score))).tolist()
        first: dict[int, int] = {}
        scores: dict[int, float] = {}
        for beam, (sentence, score) in enumerate(zip(ended, beams.score.tolist(), strict=True)):
            first.setdefault(sentence, beam)
            scores[sentence] = float(np.logaddexp(scores.get(sentence, -math.inf), score))
        for sentence, beam in first.items():
            scores[sentence] += (
                self._sentences.ended_score(sentence)
                if beams.length[beam]
                else self._sentences.broken_off_score(sentence)
            )
        best = max(scores, key=scores.__getitem__)
        return self._hypothesis(first[best], stable=None)

    def _step(self, row: NDArray[np.float32], tokens: NDArray[np.intp]) -> None:
        """One frame in which `tokens` are likely, to be visited in this order."""
        candidates = self._candidates(row, tokens)
        merged = merge(candidates.keys(self._tokens), candidates.score)
        totals = merged.score + self._language_scores(candidates, merged.first)
        kept = self._pruned(candidates, merged.first, totals)
        self._follow(candidates, merged.best[kept], totals[kept] - totals[kept[0]])

    def _after_word(self, beams: NDArray[np.intp]) -> NDArray[np.int32]:
        """For each of these beams, its sentence with the unfinished word, if any, completed."""
        columns = self._beams
        sentences = columns.sentence[beams]
        words = zip(beams.tolist(), sentences.tolist(), columns.part[beams].tolist(), strict=True)
        for index, (beam, sentence, part) in enumerate(words):
            ...
