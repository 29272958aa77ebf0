from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tools.loadtest.messages import Hypothesis
from tools.loadtest.options import parse_options
from tools.loadtest.report import Run, document, table
from tools.loadtest.schedule import ClipSchedule
from tools.loadtest.tally import Fault, Metric, Tally, Turn
from tools.loadtest.verdict import judge


@pytest.fixture
def tally() -> Tally:
    """A stream that said "a b" and was heard as "a c", 300 ms after it was done."""
    schedule = ClipSchedule(101.0, 8000, 8000)
    turn = Turn(1, "clip.wav", "a b", schedule, 0, done_sent=True, answer_s=102.3)
    turn.finals.append(Hypothesis("1", "a c", True, ()))
    tally = Tally(turns=[turn], started_s=100.0, ended_s=103.0, finals=1)
    tally.series[Metric.SEND_LATENESS].add(101.5, 0.0025)
    tally.series[Metric.TAIL_GAP].add(102.3, 1.0)
    return tally


def run_of(tally: Tally, *argv: str, interrupted: bool = False) -> Run:
    options = parse_options(["--streams", "1", *argv])
    started_at = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Run(options, started_at, tally, judge(tally, options.bounds), interrupted)


def test_the_table_of_a_good_run(tally: Tally) -> None:
    text = table(run_of(tally))
    assert text.startswith("1 streams to ws://localhost:4444/: 1 clips, 1 s of audio in 3 s\n")
    rows = {line[:22].strip(): line[22:].split() for line in text.splitlines()}
    assert rows["milliseconds"] == ["count", "p50", "p95", "p99", "max"]
    assert rows["done to final"] == ["1", "300.0", "300.0", "300.0", "300.0"]
    assert rows["partial lag"] == ["0", "-", "-", "-", "-"]
    assert rows["lost finals"] == ["0"]
    assert rows["word error rate"] == ["50.0", "%", "(1", "errors", "in", "2", "words)"]
    assert text.endswith("\n\nPASS: every bound holds.")


def test_the_table_of_a_bad_run_gives_reasons_and_amounts(tally: Tally) -> None:
    tally.note(Fault.ERROR, "internal: broken")
    text = table(run_of(tally, "--max-done-final-ms", "100"))
    assert "      1 x internal: broken" in text
    assert text.endswith(
        "FAIL:\n"
        "  done to final p99 (ms): 300, bound 100: 200.0 ms over the bound\n"
        "  error messages: 1, bound 0: 1 too many"
    )


def test_late_sending_is_remarked_on(tally: Tally) -> None:
    assert "Remark" not in table(run_of(tally))
    tally.series[Metric.SEND_LATENESS].add(102.0, 0.051)
    assert "Remark: audio was sent late" in table(run_of(tally))


def test_an_interrupted_run_has_no_verdict(tally: Tally) -> None:
    tally.note(Fault.ERROR, "any")
    run = run_of(tally, interrupted=True)
    assert "FAIL" not in table(run)
    assert "INTERRUPTED" in table(run)
    assert document(run)["verdict"] is None


def test_the_document_holds_everything_and_is_json(tally: Tally) -> None:
    written = json.loads(json.dumps(document(run_of(tally)), allow_nan=False))
    assert written["started_at"] == "2025-01-02T03:04:05.000+00:00"
    assert written["wall_s"] == 3
    assert written["verdict"] == "pass"
    assert {check["holds"] for check in written["checks"]} == {True}
    assert written["configuration"]["bounds"]["done_final_ms"] == 1000
    assert set(written["latencies"]) == {metric.value for metric in Metric}
    lateness = written["latencies"]["send_lateness_ms"]
    assert (lateness["at_s"], lateness["values"]) == ([1.5], [2.5])
    assert lateness["summary"] == {"count": 1, "p50": 2.5, "p95": 2.5, "p99": 2.5, "max": 2.5}
    assert written["latencies"]["lag_ms"]["summary"] is None
    assert set(written["faults"]) == {fault.value for fault in Fault}
    assert written["word_errors"] == {"errors": 1, "words": 2, "rate": 0.5}
    assert written["turns"] == [
        {
            "stream": 1,
            "clip": "clip.wav",
            "start_s": 1.0,
            "done_due_s": 2.0,
            "done_final_ms": 300.0,
            "finals": 1,
            "lost": False,
            "text": "a c",
            "transcript": "a b",
            "word_errors": 1,
        }
    ]


def test_a_run_in_which_nothing_happened_can_still_be_told() -> None:
    run = run_of(Tally())
    run = replace(run, checks=judge(run.tally, run.options.bounds))
    assert "FAIL" in table(run)
    json.dumps(document(run), allow_nan=False)
