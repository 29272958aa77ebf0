"""The tables of the comparison; the servers have tests of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import peers, sherpa
from bench.peers import NAIVE, SHERPA, Result, comparisons, head, row
from models import WHISPER_CTC_MODEL


def document(p50: float | None) -> dict[str, Any]:
    summary = None if p50 is None else {"p50": p50, "p99": 4 * p50}
    return {
        "latencies": {"done_final_ms": {"summary": summary}, "lag_ms": {"summary": summary}},
        "word_errors": {"rate": None if p50 is None else 0.298},
        "lost_finals": 0 if p50 is not None else 6,
        "turns": [] if p50 is None else [{"start_s": 1.0, "done_due_s": 5.5}] * 2,
    }


def test_both_and_their_ratio_are_told() -> None:
    line = row(6, Result.of(document(100.0), 0.45), Result.of(document(250.0), 0.9))
    assert line == (
        "| 6 | 100, 250 ms, 1:2.5 | 400, 1000 ms, 1:2.5 | 400, 1000 ms, 1:2.5 "
        "| 29.8%, 29.8% | 0, 0 | 50, 100 ms, 1:2.0 |"
    )
    names, rule = head("naive")
    assert line.count("|") == names.count("|") == rule.count("|")


def test_a_server_that_answers_nothing_has_no_ratio() -> None:
    line = row(6, Result.of(document(100.0), 0.45), Result.of(document(None), 0.9))
    assert line == "| 6 | 100 ms, - | 400 ms, - | 400 ms, - | 29.8%, - | 0, 6 | 50 ms, - |"


def test_the_naive_design_has_the_engines_beam(tmp_path: Path) -> None:
    (comparison,) = comparisons(NAIVE, 50, tmp_path)
    assert comparison.flags == ("--beam-size", "50")
    assert comparison.protocol == "ours"


def test_a_peer_that_is_not_installed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sherpa, "PROGRAM", tmp_path / "nothing")
    assert list(comparisons(SHERPA, 100, tmp_path)) == []
    said = capsys.readouterr().err
    assert said == "sherpa-onnx is left out: pip install -c constraints.txt '.[peers]' adds it\n"


def test_both_are_greedy_and_of_one_model_and_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[tuple[Path, bool]] = []
    monkeypatch.setattr(sherpa, "missing", lambda: None)
    monkeypatch.setattr(
        sherpa, "export", lambda spec, _, int8: exported.append((spec.directory, int8))
    )
    monkeypatch.setattr(peers, "precisions", lambda: ("float32", "int8"))
    found = list(comparisons(SHERPA, 100, tmp_path))
    assert [comparison.flags[-1] for comparison in found] == ["float32", "int8"]
    assert exported == [(WHISPER_CTC_MODEL, False), (WHISPER_CTC_MODEL, True)]
    for comparison in found:
        served = comparison.flags[comparison.flags.index("--model") + 1]
        assert served == str(WHISPER_CTC_MODEL)
    assert all(comparison.flags[:4] == peers.GREEDY for comparison in found)
