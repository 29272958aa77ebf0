"""The bounds of a run, and by how much they are missed. Pure.

The contract gives two bounds: the final within 1000 ms of `done`, and partials every 4 to 5 s of
audio (or every 600 ms of speech, where the operator sets INTERMED_PARTIALS; no client can see which
of the two a server does). What can be checked of the second is that no stretch of speech longer
than that goes without a word coming back. The defaults:

done to final, p99 <= 1000 ms
    the contract's figure.
gap before a partial, and before the end, max <= 6000 ms
    5000 ms of audio that the contract allows and 1000 ms for pauses, chunks and computing. It is a
    bound on each gap: one missed partial shows, however many others came. Every gap in the pace
    shows up in an arrival, so late partials are caught whichever side of the server is slow.
partial lag, p99 <= 2500 ms
    A partial may be made during a pause: up to about 800 ms of silence before a server calls it an
    endpoint; then a chunk of 600 ms has to fill up, 300 ms of look-ahead follow, and the rest,
    about 800 ms, is for computing and the network. A queue that builds up in the server has no
    such limit and shows here first.

Everything else has no allowance: no final lost, no response twice, no error, no refused, failed or
dropped connection, no malformed message. The word error rate is judged only where a bound is given.
"""

from __future__ import annotations

from dataclasses import dataclass

from tools.loadtest.statistics import Summary, summarise
from tools.loadtest.tally import Fault, Metric, Tally


@dataclass(frozen=True, slots=True)
class Bounds:
    """Upper limits, inclusive."""

    done_final_ms: float = 1000.0
    partial_gap_ms: float = 6000.0
    lag_ms: float = 2500.0
    word_error_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One bound. `shortfall` says by how much it is missed, and is empty where it holds."""

    name: str
    limit: float
    measured: float | None
    shortfall: str

    @property
    def holds(self) -> bool:
        """Whether the bound was kept."""
        return not self.shortfall


def judge(tally: Tally, bounds: Bounds) -> list[Check]:
    """Every check of a run."""
    summaries = {metric: summarise(tally.measured(metric).values_ms) for metric in Metric}
    checks = [
        _done_final(summaries[Metric.DONE_FINAL], bounds.done_final_ms),
        _partials_on_schedule(tally, summaries, bounds.partial_gap_ms),
        _at_most(
            "partial lag p99 (ms)", _p99(summaries[Metric.LAG]), bounds.lag_ms, "ms over the bound"
        ),
        _none("lost finals", tally.lost_finals),
        *(_none(fault.label, tally.faults[fault].total()) for fault in Fault),
    ]
    if bounds.word_error_percent is not None:
        checks.append(_word_errors(tally, bounds.word_error_percent))
    return checks


def _done_final(summary: Summary | None, limit_ms: float) -> Check:
    name = "done to final p99 (ms)"
    if summary is None:
        return Check(name, limit_ms, None, "no done was answered")
    return _at_most(name, summary.p99, limit_ms, "ms over the bound")


def _partials_on_schedule(
    tally: Tally, summaries: dict[Metric, Summary | None], limit_ms: float
) -> Check:
    name = "longest speech without a partial (ms)"
    gaps = [summaries[Metric.PARTIAL_GAP], summaries[Metric.TAIL_GAP]]
    longest = max((gap.max for gap in gaps if gap), default=None)
    if longest is None and tally.word_errors.words:
        return Check(name, limit_ms, None, "there was speech, but no word came back")
    return _at_most(name, longest, limit_ms, "ms over the bound")


def _word_errors(tally: Tally, limit_percent: float) -> Check:
    name = "word error rate (%)"
    rate = tally.word_errors.rate
    if rate is None:
        return Check(name, limit_percent, None, "no transcript to count against")
    return _at_most(name, rate * 100, limit_percent, "points over the bound")


def _at_most(name: str, measured: float | None, limit: float, unit: str) -> Check:
    if measured is None or measured <= limit:
        return Check(name, limit, measured, "")
    return Check(name, limit, measured, f"{measured - limit:.1f} {unit}")


def _none(name: str, count: int) -> Check:
    return Check(name, 0, count, f"{count} too many" if count else "")


def _p99(summary: Summary | None) -> float | None:
    return summary.p99 if summary else None
