"""Where finals ended utterances of a stream, judged by when the words were spoken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from bench.eval.messages import Hypothesis
from bench.eval.quantiles import quantiles
from bench.eval.word_times import SpokenWord

TOLERANCE_MS: Final = 60.0
"""How much of a word may lie on the other side: alignments are no better than that."""


@dataclass(slots=True)
class Endings:
    """Over any number of streams sent in real time."""

    utterances: int = 0
    answered: int = 0
    cut: int = 0
    delays_ms: list[float] = field(default_factory=list)

    def enter(
        self, utterances: Sequence[Sequence[SpokenWord]], messages: Sequence[Hypothesis]
    ) -> None:
        """Counts one stream.

        An utterance is answered by the first final that holds its last word and comes after it and
        before the next utterance's first. The last one does not count: the end of the stream ends
        it.
        """
        finals = [message for message in messages if message.is_final and message.words]
        for spoken, following in pairwise(utterances):
            self.utterances += 1
            self.cut += any(is_cut(word, finals) for word in spoken)
            end_ms, next_ms = spoken[-1].end_ms, following[0].start_ms
            arrived = [
                final.arrived_ms
                for final in finals
                if end_ms <= final.arrived_ms < next_ms
                and final.words[-1].end_ms > spoken[-1].start_ms
            ]
            if arrived:
                self.answered += 1
                self.delays_ms.append(arrived[0] - end_ms)

    def as_json(self) -> dict[str, object]:
        """Counts, and the delays from the last word's end to the final's arrival."""
        delays = quantiles(self.delays_ms)
        return {
            "utterances": self.utterances,
            "answered_in_pause": self.answered,
            "cut_in_word": self.cut,
            "delay_ms": delays.as_json() if delays else None,
        }


def is_cut(word: SpokenWord, finals: Sequence[Hypothesis]) -> bool:
    """Whether one final ends, and the next begins, with something inside the word."""

    def is_inside(time_ms: float) -> bool:
        return word.start_ms + TOLERANCE_MS < time_ms < word.end_ms - TOLERANCE_MS

    return any(
        is_inside(before.words[-1].end_ms) and is_inside(after.words[0].start_ms)
        for before, after in pairwise(finals)
    )
