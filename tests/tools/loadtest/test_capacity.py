"""What a search says of its trials."""

from __future__ import annotations

import json

from tests.tools.loadtest.test_report import run_of, tally
from tools.loadtest.capacity import (
    Capacity,
    capacity_document,
    conclusion,
    trial_header,
    trial_line,
)
from tools.loadtest.report import Run
from tools.loadtest.tally import Tally

__all__ = ["tally"]  # a fixture


def found(*runs: Run, held: int, missed: int | None, interrupted: bool = False) -> Capacity:
    return Capacity(runs, held, missed, interrupted)


def test_a_line_stands_under_its_header(tally: Tally) -> None:
    header, line = trial_header(), trial_line(run_of(tally))
    assert line.split() == ["1", "300", "300", "300", "-", "50.0", "%", "held"]
    for name, value in [("streams", "1"), ("done to final p50", "300"), ("word errors", "50.0 %")]:
        assert line[: header.index(name) + len(name)].endswith(value)


def test_a_trial_that_missed_says_what(tally: Tally) -> None:
    line = trial_line(run_of(tally, "--max-done-final-ms", "100", "--max-wer", "5"))
    assert line.endswith("missed: done to final p99 (ms), word error rate (%)")


def test_a_trial_without_an_answer() -> None:
    line = trial_line(run_of(Tally()))
    assert line.split()[:6] == ["1", "-", "-", "-", "-", "-"]
    assert "done to final" in line


def test_an_interrupted_trial_has_no_verdict(tally: Tally) -> None:
    assert trial_line(run_of(tally, interrupted=True)).endswith("interrupted")


def test_the_conclusion(tally: Tally) -> None:
    run = run_of(tally)
    assert conclusion(found(run, held=7, missed=8, interrupted=False)) == (
        "CAPACITY: 7 streams hold every bound; 8 missed a bound."
    )
    assert "more were not tried" in conclusion(found(run, held=7, missed=None))
    assert conclusion(found(run, held=0, missed=1)).startswith("CAPACITY: none")
    assert conclusion(found(run, held=6, missed=12, interrupted=True)).startswith("INTERRUPTED: 6")


def test_the_document_holds_every_trial(tally: Tally) -> None:
    first, second = run_of(tally), run_of(tally, "--max-done-final-ms", "100")
    document = json.loads(json.dumps(capacity_document(found(first, second, held=1, missed=2))))
    assert (document["capacity"], document["held"], document["missed"]) == (1, 1, 2)
    assert [trial["verdict"] for trial in document["trials"]] == ["pass", "fail"]
    broken_off = found(first, held=1, missed=None, interrupted=True)
    assert capacity_document(broken_off)["capacity"] is None
