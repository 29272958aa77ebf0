"""A CTC prefix beam search that keeps its beams between chunks and gives pyctcdecode's text.

The search is pyctcdecode 0.5.0's `BeamSearchDecoderCTC.decode` with default parameters: the prefix
beam search of Hannun et al. (2014, arXiv 1408.2873), words scored by KenLM as they are completed,
unfinished ones by whether any known word begins so. Per frame: extend all beams by all likely
tokens, merge equal ones, add the language model, prune. Here beams are NumPy columns, spellings are
hashes, and frames without speech cost next to nothing: once all beams end in a blank, a frame in
which only the blank is likely moves all scores alike.

Where beams tie, pyctcdecode's order decides, so its order of visiting tokens and beams is kept.
Bounded by beam_size beams, and by the segment's frames for what they point to (`token_paths`,
`sentences`); `reset` drops it all.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding.alternatives import Alternatives, Ended
from gpu_worker.decoding.beams import Beams, Identities, first_beams
from gpu_worker.decoding.confidence import UNCALIBRATED, Calibration
from gpu_worker.decoding.hypothesis import FrameHypothesis, ScoredText
from gpu_worker.decoding.language_model import LanguageModel
from gpu_worker.decoding.log_probs import renormalised
from gpu_worker.decoding.merging import first_alike, first_of_each, merge
from gpu_worker.decoding.sentences import Sentences
from gpu_worker.decoding.spelling_hash import Hashes, beam_keys
from gpu_worker.decoding.token_paths import TokenPaths
from gpu_worker.decoding.token_table import TokenTable
from gpu_worker.decoding.vocabulary import Vocabulary
from gpu_worker.decoding.word_times import hypothesis

MAX_BEAM_SIZE: Final = 2000
TOKEN_MIN_LOG_PROB: Final = np.float32(-5.0)  # both limits are pyctcdecode's defaults
BEAM_PRUNE_LOG_PROB: Final = -10.0


class _Extended(NamedTuple):
    """Every beam extended by every likely token: (tokens, beams), but `tokens` itself."""

    keys: Hashes  # equal where the beams would be
    score: NDArray[np.float64]
    tokens: NDArray[np.intp]
    stays: NDArray[np.bool_]  # blank or the last frame's token: the text is as it was
    breaks: NDArray[np.bool_]  # begins a new word
    sentence: NDArray[np.int64]
    part: Hashes


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
        self._beam_size = beam_size
        self._calibration = calibration
        self._model = language_model
        self._tokens = TokenTable(vocabulary)
        self._paths = TokenPaths(vocabulary)
        self._sentences = Sentences(language_model)
        self._alternatives = Alternatives()
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a segment."""
        self._paths.clear()
        self._sentences.clear()
        self._alternatives.clear()
        self._words: dict[int, str] = {}
        self._beams = first_beams(self._tokens.blank)
        self._all_end_in_blank = True
        self._break_due = False
        self._frame = 0

    def advance(self, log_probs: NDArray[np.float32]) -> None:
        """Take the next frames, (frames, vocabulary) natural log-probabilities; 0 frames is fine.

        Raises ValueError for another shape or for NaN.
        """
        rows = renormalised(log_probs, self._tokens.width)
        best = rows.argmax(axis=1)
        likely = rows >= TOKEN_MIN_LOG_PROB
        likely[np.arange(len(rows)), best] = True
        only_blank = (best == self._tokens.blank) & (likely.sum(axis=1) == 1)
        for row, top, is_likely, is_blank in zip(rows, best, likely, only_blank, strict=True):
            if is_blank and self._all_end_in_blank:
                self._beams = self._beams._replace(score=self._beams.score + row[top])
            else:
                self._step(row, _visiting_order(np.flatnonzero(is_likely), int(top)))
                self._all_end_in_blank = bool(is_blank)
            self._frame += 1

    def partial(self) -> FrameHypothesis:
        """The best beam, with an unfinished last word as far as it goes."""
        stable_words = self._sentences.common_length(self._beams.sentence.tolist())
        return self._hypothesis(0, stable_words)

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
        return self._alternatives.best(self._ends(), self._sentences, count)

    def _ends(self) -> dict[Ended, int]:
        """What the beams are if the segment ends here, and a beam that ends so."""
        beams, sentences = self._beams, self._sentences
        ended = self._completed(np.ones(len(beams.score), np.bool_)).tolist()
        last: dict[int, int] = {}  # of beams that end up alike, pyctcdecode scores the last
        scores: dict[int, float] = {}
        for beam, (sentence, score) in enumerate(zip(ended, beams.score.tolist(), strict=True)):
            last[sentence] = beam
            scores[sentence] = float(np.logaddexp(scores.get(sentence, -math.inf), score))
        return {
            Ended(
                sentence,
                scores[sentence],
                sentences.ended_score(sentence)
                if beams.length[beam]
                else sentences.broken_off_score(sentence),
            ): beam
            for sentence, beam in last.items()
        }

    def _step(self, row: NDArray[np.float32], tokens: NDArray[np.intp]) -> None:
        """One frame in which `tokens` are likely, to be visited in this order."""
        extended = self._extended(row, tokens)
        merged = merge(extended.keys.ravel(), extended.score.ravel())
        alike = self._identities(extended, merged.first)
        totals = merged.score + self._language_scores(alike)
        kept = self._pruned(alike, totals, merged.first)
        behind = totals[kept] - totals[kept[0]]
        path, end, peak = self._followed(extended, merged.best[kept], row, behind)
        self._beams = Beams(
            sentence=alike.sentence[kept],
            part=alike.part[kept],
            length=alike.length[kept],
            last=alike.last[kept],
            score=merged.score[kept],
            path=path,
            end=end,
            peak=peak,
        )

    def _extended(self, row: NDArray[np.float32], tokens: NDArray[np.intp]) -> _Extended:
        """All beams extended by all the tokens."""
        beams, table = self._beams, self._tokens
        token = tokens[:, None]
        stays = (beams.last == token) | (token == table.blank)
        breaks, self._break_due = table.word_breaks(tokens, stays, self._break_due)
        sentence = np.where(breaks, self._completed(breaks.any(axis=0)), beams.sentence)
        spelled = np.where(breaks, np.uint64(0), beams.part * table.powers[token])
        part = np.where(stays, beams.part, spelled + table.hashes[token])
        return _Extended(
            keys=beam_keys(sentence, part, table.codes[token]),
            score=beams.score + row[token],
            tokens=tokens,
            stays=stays,
            breaks=breaks,
            sentence=sentence,
            part=part,
        )

    def _completed(self, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Each beam's sentence, with the unfinished word, if any, added where it is wanted."""
        beams, sentences = self._beams, self._sentences
        completed = beams.sentence.copy()
        inside_word = (wanted & (beams.length > 0)).nonzero()[0]
        numbers = completed[inside_word].tolist()
        parts = beams.part[inside_word].tolist()
        for index, (number, part) in enumerate(zip(numbers, parts, strict=True)):
            known = sentences.find(number, part)
            if known is None:
                word = self._spelling(part, inside_word[index])
                known = sentences.extend(number, part, word)
            numbers[index] = known
        completed[inside_word] = numbers
        return completed

    def _spelling(self, part: int, beam: np.intp) -> str:
        """A beam's unfinished word, looked up on its path the first time."""
        word = self._words.get(part)
        if word is None:
            word, _ = self._paths.word(int(self._beams.path[beam]), 0, 0.0)
            self._words[part] = word
        return word

    def _identities(self, extended: _Extended, chosen: NDArray[np.intp]) -> Identities:
        """Which beams the chosen candidates, counted token by token, would be."""
        table = self._tokens
        which, source = np.divmod(chosen, len(self._beams.score))
        token = extended.tokens[which]
        length = self._beams.length[source]
        longer = np.where(extended.breaks.ravel()[chosen], 0, length) + table.lengths[token]
        return Identities(
            sentence=extended.sentence.ravel()[chosen],
            part=extended.part.ravel()[chosen],
            length=np.where(extended.stays.ravel()[chosen], length, longer),
            last=token,
        )

    def _language_scores(self, beams: Identities) -> NDArray[np.float64] | float:
        """What the language model adds to each."""
        if self._model is None:
            return 0.0
        words = self._sentences.scores(beams.sentence)
        return words + self._model.unfinished(beams.part, beams.length)

    def _pruned(
        self, beams: Identities, totals: NDArray[np.float64], order: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Which become the next beams, best first; of equal ones the first by `order`.

        Those near the best one; of these the beam_size best; of these the best among any that the
        language model cannot tell apart from here on.
        """
        near = (totals >= totals.max() + BEAM_PRUNE_LOG_PROB).nonzero()[0]
        ranks: NDArray[np.intp] = np.lexsort((order[near], -totals[near]))
        kept: NDArray[np.intp] = near[ranks[: self._beam_size]]
        histories = self._sentences.histories(beams.sentence[kept])
        futures = beam_keys(histories, beams.part[kept], self._tokens.codes[beams.last[kept]])
        leaders: NDArray[np.intp] = kept[first_of_each(futures)]
        if len(leaders) < len(kept):
            winners = kept[first_alike(futures)]
            lost = winners != kept
            self._alternatives.dropped(
                beams.sentence[winners[lost]],
                beams.sentence[kept[lost]],
                (totals[winners] - totals[kept])[lost],
            )
        return leaders

    def _followed(
        self,
        extended: _Extended,
        best: NDArray[np.intp],
        row: NDArray[np.float32],
        behind: NDArray[np.float64],
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """Path, end and peak of the next beams, whose best alignments are the candidates `best`.

        `behind` is how each beam stands against the leading one, 0 or less.
        """
        old, frame = self._beams, self._frame
        which, source = np.divmod(best, len(old.score))
        token = extended.tokens[which]
        path, end, peak = old.path[source], old.end[source], old.peak[source]
        breaks = extended.breaks.ravel()[best]
        moves = (~extended.stays.ravel()[best]).nonzero()[0]
        path[moves] = self._paths.add(
            path[moves], token[moves], frame, breaks[moves], end[moves], peak[moves]
        )
        word_ends = (breaks & (old.length[source] > 0)).nonzero()[0]
        self._sentences.completed(
            extended.sentence.ravel()[best[word_ends]], behind[word_ends], path[word_ends]
        )
        log_prob = row[token]
        peak[moves] = log_prob[moves]
        spoken = token != self._tokens.blank
        return (
            path,
            np.where(spoken, np.int32(frame + 1), end),
            np.where(spoken, np.maximum(peak, log_prob), peak),
        )

    def _hypothesis(self, beam: int, stable_words: int | None) -> FrameHypothesis:
        """A beam's words; None where all are stable."""
        beams, paths = self._beams, self._paths
        words = [paths.word_before(path) for path in self._sentences.paths(beams.sentence[beam])]
        if beams.length[beam]:
            words.append(
                paths.word(int(beams.path[beam]), int(beams.end[beam]), float(beams.peak[beam]))
            )
        sentence = int(self._completed(np.arange(len(beams.score)) == beam)[beam])
        scores = self._sentences.log10s(sentence) if self._model else [None] * len(words)
        stable = len(words) if stable_words is None else stable_words
        return hypothesis(words, scores, stable, self._calibration)


def _visiting_order(likely: NDArray[np.intp], best: int) -> NDArray[np.intp]:
    """The likely tokens in the order in which pyctcdecode's Python set gives them."""
    return np.array(list(set(likely.tolist()) | {best}), np.intp)
