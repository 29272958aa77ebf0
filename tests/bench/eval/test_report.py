"""Which sections run, and what the baselines are compared with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.eval import report
from bench.eval.baselines import Baseline
from bench.eval.errors import EvalError
from bench.eval.manifest import BUNDLED, read_manifest
from bench.eval.options import parse_options
from tests.bench.eval.builders import final, word

CLIPS = read_manifest(BUNDLED)


def deaf() -> Baseline:
    return Baseline("Deaf", "deaf 1", lambda: lambda samples: "")


def of(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    return report.evaluate(parse_options(["--cache", str(tmp_path), *arguments]))


def test_without_the_engine_no_server_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_baselines", lambda _: [deaf()])
    monkeypatch.setattr(report, "Engine", None)
    arguments = ("--sections", "baselines", "--limit", "5", "--baseline-clips", "2")
    found = of(tmp_path, *arguments)
    assert (found["clips"], found["baselines"]["clips"]) == (5, 2)
    assert found["baselines"]["scores"]["Deaf"]["8000"]["overall"]["wer"] == 1
    assert "this engine" not in found["baselines"]["scores"]


def test_flags_are_for_both_servers_that_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def engine(*flags: str) -> AbstractContextManager[SimpleNamespace]:
        started.append(flags)
        return nullcontext(SimpleNamespace(url="ws://one"))

    monkeypatch.setattr(report, "Engine", engine)
    monkeypatch.setattr(report, "hear_bands", lambda url, _: url)
    monkeypatch.setattr(report, "accuracy", lambda _, heard: heard)
    found = of(tmp_path, "--sections", "accuracy", "--server-flags", "--model mine")
    assert started == [("--model", "mine"), ("--model", "mine", "--second-pass", "off")]
    assert found["accuracy"] == {"finals": "ws://one", "first_pass": "ws://one"}


def test_the_engine_is_scored_on_the_clips_of_the_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hear_bands(url: str, clips: list[Any]) -> dict[int, Any]:
        """Deaf but for the first clip."""
        right = [word(text, 0, 0) for text in clips[0].text.split()]
        messages = [[final(*right)], *([] for _ in clips[1:])]
        return {16_000: messages, 8_000: messages}

    monkeypatch.setattr(report, "_baselines", lambda _: [deaf()])
    monkeypatch.setattr(report, "hear_bands", hear_bands)
    arguments = ("--sections", "accuracy,baselines", "--url", "ws://none", "--baseline-clips", "1")
    found = of(tmp_path, *arguments)
    assert found["baselines"]["scores"]["this engine"]["16000"]["overall"]["wer"] == 0
    assert found["accuracy"]["finals"]["16000"]["overall"]["wer"] > 0.5
    assert "first_pass" not in found["accuracy"], "a running server cannot be told to leave it out"


def test_a_wrong_whisper_directory_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "Engine", None)
    with pytest.raises(EvalError, match=r"no model\.bin"):
        of(tmp_path, "--whisper", str(tmp_path))
