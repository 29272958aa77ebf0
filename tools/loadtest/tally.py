"""What all streams of a run measured: written by the ledgers as it happens, read by the reports.

Times are seconds of one monotonic clock, values milliseconds. It grows with the run: a few numbers
per message, and at most DISTINCT_REASONS texts of bounded length per kind of fault.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from tools.loadtest.messages import Hypothesis
from tools.loadtest.schedule import ClipSchedule
from tools.loadtest.wer import WordErrors, count_word_errors

DISTINCT_REASONS: Final = 20
REASON_CHARACTERS: Final = 160


class Metric(Enum):
    """A latency: its key in the JSON document. `ledger` says exactly what each one is."""

    CONNECT_READY = "connect_ready_ms"
    DONE_FINAL = "done_final_ms"
    LAG = "lag_ms"
    PARTIAL_GAP = "partial_gap_ms"
    TAIL_GAP = "tail_gap_ms"
    SEND_LATENESS = "send_lateness_ms"

    @property
    def label(self) -> str:
        """Its name in the table."""
        return _LABELS[self]


_LABELS: Final = {
    Metric.CONNECT_READY: "connect to ready",
    Metric.DONE_FINAL: "done to final",
    Metric.LAG: "partial lag",
    Metric.PARTIAL_GAP: "gap before a partial",
    Metric.TAIL_GAP: "gap before the end",
    Metric.SEND_LATENESS: "send lateness",
}


class Fault(Enum):
    """What must not happen at all: its key in the JSON document."""

    REFUSED = "refused_connections"
    UNREACHABLE = "failed_connections"
    DROPPED = "dropped_connections"
    ERROR = "error_messages"
    DUPLICATE = "duplicated_responses"
    MALFORMED = "malformed_messages"

    @property
    def label(self) -> str:
        """Its name in the table."""
        return self.value.replace("_", " ")


@dataclass(slots=True)
class Series:
    """Measured values and when each was measured."""

    at_s: list[float] = field(default_factory=list)
    values_ms: list[float] = field(default_factory=list)

    def add(self, at_s: float, value_s: float) -> None:
        """Appends a value, given in seconds."""
        self.at_s.append(at_s)
        self.values_ms.append(value_s * 1000)


@dataclass(slots=True)
class Turn:
    """A clip played, the `done` after it, and the finals that came of it."""

    stream: int
    clip: str
    reference: str | None  # None: no transcript, or not the whole clip is played
    schedule: ClipSchedule
    first_sample: int  # its place in the stream
    done_sent: bool = False
    finals: list[Hypothesis] = field(default_factory=list)
    answer_s: float | None = None  # arrival of the newest final since `done`
    lost: bool = False

    @property
    def end_sample(self) -> int:
        """Where the next turn's samples begin."""
        return self.first_sample + self.schedule.samples

    @property
    def text(self) -> str:
        """What was recognised, over all finals."""
        return " ".join(final.text for final in self.finals if final.text)


@dataclass(slots=True)
class Tally:
    """The sum of a run."""

    series: dict[Metric, Series] = field(
        default_factory=lambda: {
            metric: Series() for metric in Metric if metric is not Metric.DONE_FINAL
        }
    )
    faults: dict[Fault, Counter[str]] = field(
        default_factory=lambda: {fault: Counter() for fault in Fault}
    )
    turns: list[Turn] = field(default_factory=list)
    message_ids: set[str] = field(default_factory=set)
    started_s: float = 0.0
    ended_s: float = 0.0
    partials: int = 0
    finals: int = 0
    streams_ready: int = 0
    returns: int = 0
    """How often a stream was refused and came back when the server said."""
    streams_ended: int = 0

    def note(self, fault: Fault, reason: str) -> None:
        """Counts a fault under its reason, or under "other" once there are too many of them."""
        counter = self.faults[fault]
        reason = " ".join(reason.split())[:REASON_CHARACTERS]
        if reason not in counter and len(counter) >= DISTINCT_REASONS:
            reason = "other"
        counter[reason] += 1

    def measured(self, metric: Metric) -> Series:
        """The values of a metric.

        `done` to final is put together from the turns, because a turn's answer can still be moved
        to a later final.
        """
        if metric is not Metric.DONE_FINAL:
            return self.series[metric]
        answers = Series()
        for turn in self.turns:
            if turn.answer_s is not None:
                answers.add(turn.answer_s, turn.answer_s - turn.schedule.done_due_s)
        return answers

    @property
    def lost_finals(self) -> int:
        """How often `done` was not answered in time."""
        return sum(turn.lost for turn in self.turns)

    @property
    def word_errors(self) -> WordErrors:
        """Over the turns whose clip has a transcript and whose `done` was answered or lost."""
        return count_word_errors(
            (turn.reference, turn.text)
            for turn in self.turns
            if turn.reference is not None and (turn.answer_s is not None or turn.lost)
        )
