"""A run told twice: the table for people, and the JSON document with everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from tools.loadtest.options import Options
from tools.loadtest.statistics import summarise
from tools.loadtest.tally import Fault, Metric, Tally, Turn
from tools.loadtest.verdict import Check
from tools.loadtest.wer import count_word_errors

LATE_SENDING_MS: Final = 50.0
"""Above this the tester's own machine, or a server that stops reading, is worth a remark."""
_NAME_WIDTH: Final = 22


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over, or was interrupted."""

    options: Options
    started_at: datetime
    tally: Tally
    checks: Sequence[Check]
    interrupted: bool

    @property
    def holds(self) -> bool:
        """Whether every bound was kept."""
        return all(check.holds for check in self.checks)


def table(run: Run) -> str:
    """The figures and the verdict, as lines of text."""
    lines = [_headline(run), "", *_latencies(run.tally), "", *_counts(run.tally)]
    lines += ["", *_remarks(run.tally), *_verdict(run)]
    return "\n".join(lines)


def document(run: Run) -> dict[str, object]:
    """Everything that was measured, ready for `json.dumps`. Times are seconds since the start."""
    tally, options = run.tally, run.options
    errors = tally.word_errors
    return {
        "started_at": run.started_at.isoformat(timespec="milliseconds"),
        "wall_s": tally.ended_s - tally.started_s,
        "interrupted": run.interrupted,
        "verdict": None if run.interrupted else "pass" if run.holds else "fail",
        "checks": [{**asdict(check), "holds": check.holds} for check in run.checks],
        "configuration": {
            "url": options.request_url,
            "protocol": options.protocol,
            "streams": options.streams,
            "audio": [str(path) for path in options.audio],
            "duration_s": options.duration_s,
            "sample_rate_hz": options.sample_rate_hz,
            "text2int": options.text2int,
            "seed": options.seed,
            "timeout_s": options.timeout_s,
            "patience_s": options.patience_s,
            "bounds": asdict(options.bounds),
        },
        "latencies": {metric.value: _latency(tally, metric) for metric in Metric},
        "streams_ready": tally.streams_ready,
        "returns": tally.returns,
        "partials": tally.partials,
        "finals": tally.finals,
        "lost_finals": tally.lost_finals,
        "faults": {fault.value: dict(tally.faults[fault]) for fault in Fault},
        "word_errors": {"errors": errors.errors, "words": errors.words, "rate": errors.rate},
        "turns": [_turn(turn, tally.started_s) for turn in tally.turns],
    }


def _headline(run: Run) -> str:
    audio_s = sum(turn.schedule.samples / turn.schedule.rate_hz for turn in run.tally.turns)
    return (
        f"{run.options.streams} streams to {run.options.request_url}: {len(run.tally.turns)} clips,"
        f" {audio_s:.0f} s of audio in {run.tally.ended_s - run.tally.started_s:.0f} s"
    )


def _latencies(tally: Tally) -> list[str]:
    rows = [
        f"{'milliseconds':<{_NAME_WIDTH}}{'count':>7}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}",
    ]
    for metric in Metric:
        summary = summarise(tally.measured(metric).values_ms)
        name = f"{metric.label:<{_NAME_WIDTH}}"
        if summary is None:
            rows.append(f"{name}{0:>7}" + 4 * f"{'-':>9}")
            continue
        values = (summary.p50, summary.p95, summary.p99, summary.max)
        rows.append(f"{name}{summary.count:>7}" + "".join(f"{value:>9.1f}" for value in values))
    return rows


def _counts(tally: Tally) -> list[str]:
    counts = [
        ("partials", tally.partials, {}),
        ("finals", tally.finals, {}),
        ("lost finals", tally.lost_finals, {}),
        *((fault.label, tally.faults[fault].total(), tally.faults[fault]) for fault in Fault),
    ]
    if tally.returns:
        counts.append(("refused, came back", tally.returns, {}))
    rows = []
    for name, count, reasons in counts:
        rows.append(f"{name:<{_NAME_WIDTH}}{count:>7}")
        rows += [f"{'':<{_NAME_WIDTH}}{times:>7} x {reason}" for reason, times in reasons.items()]
    errors = tally.word_errors
    if errors.rate is not None:
        share = f"{errors.rate * 100:.1f} %"
        of = f"{errors.errors} errors in {errors.words} words"
        rows.append(f"{'word error rate':<{_NAME_WIDTH}}{share:>7}  ({of})")
    return rows


def _remarks(tally: Tally) -> list[str]:
    lateness = summarise(tally.measured(Metric.SEND_LATENESS).values_ms)
    if lateness is None or lateness.p99 <= LATE_SENDING_MS:
        return []
    return [
        "Remark: audio was sent late (see send lateness). Either this machine is too busy for the "
        "load tester,",
        "or the server stopped reading. The lateness is part of all latencies above.",
        "",
    ]


def _verdict(run: Run) -> list[str]:
    if run.interrupted:
        return ["INTERRUPTED: the figures so far, without a verdict."]
    if run.holds:
        return ["PASS: every bound holds."]
    missed = [check for check in run.checks if not check.holds]
    return ["FAIL:", *(f"  {_missed(check)}" for check in missed)]


def _missed(check: Check) -> str:
    measured = "nothing measured" if check.measured is None else f"{check.measured:g}"
    return f"{check.name}: {measured}, bound {check.limit:g}: {check.shortfall}"


def _latency(tally: Tally, metric: Metric) -> dict[str, object]:
    series = tally.measured(metric)
    summary = summarise(series.values_ms)
    return {
        "summary": asdict(summary) if summary else None,
        "at_s": [round(at_s - tally.started_s, 4) for at_s in series.at_s],
        "values": [round(value, 3) for value in series.values_ms],
    }


def _turn(turn: Turn, started_s: float) -> dict[str, object]:
    done_due_s, answer_s = turn.schedule.done_due_s, turn.answer_s
    scored = [] if turn.reference is None else [(turn.reference, turn.text)]
    return {
        "stream": turn.stream,
        "clip": turn.clip,
        "start_s": round(turn.schedule.start_s - started_s, 4),
        "done_due_s": round(done_due_s - started_s, 4),
        "done_final_ms": None if answer_s is None else round((answer_s - done_due_s) * 1000, 3),
        "finals": len(turn.finals),
        "lost": turn.lost,
        "text": turn.text,
        "transcript": turn.reference,
        "word_errors": count_word_errors(scored).errors if scored else None,
    }
