"""The table of the comparison; the servers have tests of their own."""

from __future__ import annotations

from typing import Any

from bench.peers import HEAD, Result, row


def document(p50: float | None) -> dict[str, Any]:
    summary = None if p50 is None else {"p50": p50, "p99": 4 * p50}
    return {
        "latencies": {"done_final_ms": {"summary": summary}, "lag_ms": {"summary": summary}},
        "word_errors": {"rate": None if p50 is None else 0.298},
        "lost_finals": 0 if p50 is not None else 6,
    }


def test_both_and_their_ratio_are_told() -> None:
    line = row(6, Result.of(document(100.0)), Result.of(document(250.0)))
    assert line == (
        "| 6 | 100, 250 ms, 1:2.5 | 400, 1000 ms, 1:2.5 | 400, 1000 ms, 1:2.5 "
        "| 29.8%, 29.8% | 0, 0 |"
    )
    assert line.count("|") == HEAD[0].count("|") == HEAD[1].count("|")


def test_a_server_that_answers_nothing_has_no_ratio() -> None:
    line = row(6, Result.of(document(100.0)), Result.of(document(None)))
    assert line == "| 6 | 100 ms, - | 400 ms, - | 400 ms, - | 29.8%, - | 0, 6 |"
