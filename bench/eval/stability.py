"""A ledger of stable words: those that a partial calls final, and whether they stayed as they were.

A word with `intermed` false in a partial must never change: each later message up to the final has
the same text at its place. Times may be refined by a final, which is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from bench.eval.messages import Hypothesis, Word
from bench.eval.quantiles import quantiles


@dataclass(slots=True)
class Ledger:
    """Counts over any number of connections; the messages of each are entered in order."""

    words: int = 0
    early: int = 0
    changed: int = 0
    moved: int = 0
    finals: int = 0
    foretold: int = 0
    exactly: int = 0
    delays_ms: list[float] = field(default_factory=list)

    def enter(self, messages: Iterable[Hypothesis]) -> None:
        """Counts the messages of one connection."""
        stable: list[Word] = []
        last_partial: str | None = None
        for message in messages:
            changed = [
                old.text != new.text for old, new in zip(stable, message.words, strict=False)
            ]
            missing = max(0, len(stable) - len(message.words))
            self.changed += sum(changed) + missing
            self.moved += sum(
                (old.start_ms, old.end_ms) != (new.start_ms, new.end_ms)
                for old, new in zip(stable, message.words, strict=False)
            )
            if message.is_final:
                self.words += len(message.words)
                self.early += min(len(stable), len(message.words))
                if message.words:
                    self.finals += 1
                    self.foretold += last_partial is not None
                    self.exactly += last_partial == message.text
                stable, last_partial = [], None
                continue
            last_partial = message.text
            now_stable = stable_words(message)
            self.delays_ms += [message.sent_ms - word.end_ms for word in now_stable[len(stable) :]]
            # A word that was stable once counts as such until the final, whatever is said later.
            stable = [*now_stable, *stable[len(now_stable) :]]

    def as_json(self) -> dict[str, object]:
        """Counts, and the delays from a word's end to the message that first called it stable."""
        counts = asdict(self)
        del counts["delays_ms"]
        delays = quantiles(self.delays_ms)
        return counts | {"delay_ms": delays.as_json() if delays else None}


def stable_words(message: Hypothesis) -> list[Word]:
    """The words before the first that may still change."""
    words = []
    for word in message.words:
        if not word.is_stable:
            break
        words.append(word)
    return words
