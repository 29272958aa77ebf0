"""A CTC prefix beam search that keeps its beams between chunks and gives pyctcdecode's text.

The search is pyctcdecode 0.5.0's `BeamSearchDecoderCTC.decode` with the limits below: the prefix
beam search of Hannun et al. (2014, arXiv 1408.2873), words scored by KenLM as they are completed,
unfinished ones by whether any known word begins so. Per frame: extend all beams by all likely
tokens, merge equal ones, add the language model, prune. That loop is compiled (`native/`); here is
what comes once for a chunk or a segment. Spellings are hashes, and frames without speech cost next
to nothing: once all beams end in a blank, a frame in which only the blank is likely moves all
scores alike.

Where beams tie, pyctcdecode's order decides, so its order of visiting tokens and beams is kept.
Bounded by beam_size beams, and by the segment's frames for what they point to
(`native/token_paths.h`, `native/sentences.h`); `reset` drops it all.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding._native import PrefixBeams, Token
from gpu_worker.decoding.alternatives import Ended, best_texts
from gpu_worker.decoding.confidence import UNCALIBRATED, Calibration
from gpu_worker.decoding.hypothesis import FrameHypothesis, ScoredText
from gpu_worker.decoding.language_model import LanguageModel
from gpu_worker.decoding.log_probs import renormalised
from gpu_worker.decoding.spelling_hash import spelling_hashes, spelling_powers
from gpu_worker.decoding.vocabulary import Vocabulary
from gpu_worker.decoding.word_scores import WordScores
from gpu_worker.decoding.word_times import Timing, hypothesis

MAX_BEAM_SIZE: Final = 2000
TOKEN_MIN_LOG_PROB: Final = np.float32(-7.0)
BEAM_PRUNE_LOG_PROB: Final = -12.0
"""Less likely tokens of a frame are not tried, and beams so far below the best are dropped.

Wider than pyctcdecode's -5 and -10, which lose what the language model would have saved
(docs/LOG.md).
"""


class BeamSearch:
    """A `Search`; vocabulary and language model may be shared by many.

    Raises ValueError where `beam_size` is not from 1 to 2000.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        beam_size: int,
        language_model: LanguageModel | None,
        calibration: Calibration = UNCALIBRATED,
    ) -> None:
        if not 1 <= beam_size <= MAX_BEAM_SIZE:
            raise ValueError(f"beam_size must be from 1 to {MAX_BEAM_SIZE}, not {beam_size}")
        self._width = len(vocabulary.tokens)
        self._calibration = calibration
        self._model = language_model
        self._word_scores = WordScores(language_model) if language_model else None
        self._beams = PrefixBeams(
            tokens=_tokens(vocabulary),
            blank=vocabulary.blank,
            beam_size=beam_size,
            prune_log_prob=BEAM_PRUNE_LOG_PROB,
            language=self._word_scores.for_search() if self._word_scores else None,
        )

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a segment."""
        self._beams.reset()
        if self._word_scores is not None:
            self._word_scores.clear()

    def advance(self, log_probs: NDArray[np.float32]) -> None:
        """Take the next frames, (frames, vocabulary) natural log-probabilities; 0 frames is fine.

        Raises ValueError for another shape or for NaN.
        """
        rows = renormalised(log_probs, self._width)
        best = rows.argmax(axis=1)
        likely = rows >= TOKEN_MIN_LOG_PROB
        likely[np.arange(len(rows)), best] = True
        tokens: list[int] = []
        ends: list[int] = []
        for is_likely, top in zip(likely, best.tolist(), strict=True):
            tokens += _visiting_order(np.flatnonzero(is_likely), top)
            ends.append(len(tokens))
        self._beams.advance(rows, np.array(tokens, np.int32), np.array(ends, np.int32))

    def partial(self) -> FrameHypothesis:
        """The best beam, with an unfinished last word as far as it goes."""
        return self._hypothesis(0, self._beams.common_length())

    def final(self) -> FrameHypothesis:
        """The best hypothesis if the segment ended here, by pyctcdecode's rules for the end."""
        ends = self._ends()
        best = max(ends, key=Ended.total)
        return self._hypothesis(ends[best], stable_words=None)

    def n_best(self, count: int) -> tuple[ScoredText, ...]:
        """The best distinct texts if the segment ended here, best first, by the rules of `final`.

        Those of the last beams, which are pyctcdecode's, and what was dropped on the way to them.
        Raises ValueError where `count` is less than 1.
        """
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count}")
        return best_texts(self._ends(), self._beams.dropped(), self._beams.sentences, count)

    def _ends(self) -> dict[Ended, int]:
        """What the beams are if the segment ends here, and a beam that ends so.

        Of beams that end up alike, pyctcdecode scores the last.
        """
        return {
            Ended(sentence, score, self._end_score(sentence, inside_word)): beam
            for sentence, score, beam, inside_word in self._beams.ends()
        }

    def _end_score(self, sentence: int, inside_word: bool) -> float:
        """The language model's weighted score of a sentence that ends here."""
        if self._model is None or self._word_scores is None:
            return 0.0
        sentences = self._beams.sentences
        history = sentences.history(sentence)
        if inside_word:  # the end is weighed with the last word
            last = sentences.log10(sentence) + self._word_scores.end(history)
            return sentences.score(sentences.parent(sentence)) + self._model.weighted(last)
        return sentences.score(sentence) + self._model.weighted(
            self._word_scores.broken_off(history)
        )

    def _hypothesis(self, beam: int, stable_words: int | None) -> FrameHypothesis:
        """A beam's words; None where all are stable."""
        words = [(word[0], Timing(*word[1:])) for word in self._beams.words(beam)]
        scores: list[float] | list[None] = [None] * len(words)
        if self._model is not None:
            scores = self._beams.sentences.log10s(self._beams.completed(beam))
        stable = len(words) if stable_words is None else stable_words
        return hypothesis(words, scores, stable, self._calibration)


def _tokens(vocabulary: Vocabulary) -> list[Token]:
    """The vocabulary as the compiled search sees it."""
    spellings = vocabulary.spellings
    hashes, powers = spelling_hashes(spellings), spelling_powers(spellings)
    return [
        Token(
            text=text,
            spelling=int(hashes[number]),
            power=int(powers[number]),
            length=len(text),
            opens_word=vocabulary.opens_word[number],
            closes_word=vocabulary.closes_word[number],
        )
        for number, text in enumerate(spellings)
    ]


def _visiting_order(likely: NDArray[np.intp], best: int) -> list[int]:
    """The likely tokens in the order in which pyctcdecode's Python set gives them."""
    return list(set(likely.tolist()) | {best})
