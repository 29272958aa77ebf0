"""The trials of a search told twice: a line each for people, and one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.loadtest.report import Run, document
from tools.loadtest.statistics import summarise
from tools.loadtest.tally import Metric

_HEADER = ("streams", "done to final p50", "p95", "p99", "partial lag p99", "word errors")


@dataclass(frozen=True, slots=True)
class Capacity:
    """``runs`` are the trials in their order; ``held`` is the most streams that held, perhaps 0.

    ``missed`` is the fewest that did not, if any.
    """

    runs: Sequence[Run]
    held: int
    missed: int | None
    interrupted: bool


def trial_header() -> str:
    """What stands above the lines of the trials."""
    return "  ".join(_HEADER) + "  verdict"


def trial_line(run: Run) -> str:
    """A trial in one line: milliseconds, and what it missed."""
    done = summarise(run.tally.measured(Metric.DONE_FINAL).values_ms)
    lag = summarise(run.tally.measured(Metric.LAG).values_ms)
    rate = run.tally.word_errors.rate
    values = [
        str(run.options.streams),
        *(["-"] * 3 if done is None else [f"{ms:.0f}" for ms in (done.p50, done.p95, done.p99)]),
        "-" if lag is None else f"{lag.p99:.0f}",
        "-" if rate is None else f"{rate * 100:.1f} %",
    ]
    columns = [f"{value:>{len(name)}}" for value, name in zip(values, _HEADER, strict=True)]
    return "  ".join([*columns, _verdict(run)])


def conclusion(found: Capacity) -> str:
    """What the search came to."""
    if found.interrupted:
        return f"INTERRUPTED: {found.held} streams held every bound so far."
    if found.held == 0:
        return "CAPACITY: none. One stream alone misses a bound."
    beyond = "more were not tried" if found.missed is None else f"{found.missed} missed a bound"
    return f"CAPACITY: {found.held} streams hold every bound; {beyond}."


def capacity_document(found: Capacity) -> dict[str, object]:
    """Everything that was measured, ready for `json.dumps`."""
    return {
        "capacity": None if found.interrupted else found.held,
        "held": found.held,
        "missed": found.missed,
        "trials": [document(run) for run in found.runs],
    }


def _verdict(run: Run) -> str:
    if run.interrupted:
        return "interrupted"
    missed = [check.name for check in run.checks if not check.holds]
    verdict = f"missed: {', '.join(missed)}" if missed else "held"
    times = run.tally.returns
    return f"{verdict} (after {times} refusals at the start)" if times else verdict
