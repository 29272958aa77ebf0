"""Tables made from a report's JSON."""

from __future__ import annotations

import json
from typing import Any

from bench.eval.tables import details, summary, table


def score(wer: float) -> dict[str, Any]:
    rates = {"clips": 2, "words": 10, "wer": wer, "cer": wer / 2}
    speakers = [{"name": "ann", "wer": wer / 2}, {"name": "bob", "wer": 2 * wer}]
    return {"overall": rates, "by_source": {"read": rates}, "by_speaker": speakers}


BANDS = {"16000": score(0.1), "8000": score(0.2)}
QUANTILES = {"count": 3, "median": 20.0, "p90": 60.0}
STABLE = {
    "words": 10, "early": 4, "changed": 0, "moved": 1, "finals": 2, "foretold": 2, "exactly": 1,
}  # fmt: skip
BIN = {"low": 0.9, "words": 10, "confidence": 0.95, "right": 0.9}
REPORT: dict[str, Any] = {
    "clips": 2,
    "seconds": 120.0,
    "accuracy": {"finals": BANDS},
    "baselines": {"clips": 1, "scores": {"this engine": BANDS, "Other": {"16000": score(0.3)}}},
    "stream": {
        "confidence": {"words": 10, "error": 0.05, "confidence": 0.9, "right": 0.9, "bins": [BIN]},
        "word_times": {"start_ms": QUANTILES, "end_ms": None},
        "stable_words": STABLE,
    },
    "realtime": {
        "streams": 1,
        "endings": {
            "utterances": 4, "answered_in_pause": 3, "cut_in_word": 1, "delay_ms": QUANTILES,
        },
        "stable_words": STABLE | {"delay_ms": None},
    },
    "made_up": [
        {"kind": "music", "minutes": 2, "words": 3, "words_per_minute": 1.5, "confidence": None,
         "words_said": 0},
        {"kind": "clipped speech", "minutes": 2, "words": 9, "words_per_minute": 4.5,
         "confidence": 0.5, "words_said": 9},
    ],
}  # fmt: skip


def rows(text: str) -> dict[str, list[str]]:
    cells = [
        [c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line
    ]
    return {row[0]: row[1:] for row in cells}


def test_columns_are_of_equal_width() -> None:
    assert table([("a", "b"), ("long", "c")]) == "| a    | b |\n|------|---|\n| long | c |"


def test_the_summary_has_a_row_for_each_figure() -> None:
    found = rows(summary(json.loads(json.dumps(REPORT))))
    assert found["WER (CER), finals"] == ["10.0% (5.0%)", "20.0% (10.0%)"]
    assert found["WER of the worst speaker, finals"] == ["20.0% (bob)", "40.0% (bob)"]
    assert found["WER (CER) on 1 clips: Other"] == ["30.0% (15.0%)", "-"]
    assert found["confidence: expected calibration error"] == ["5.0%", "-"]
    assert found["error of a word's start, median / p90"] == ["20 / 60 ms", "-"]
    assert "error of a word's end, median / p90" not in found
    assert found["words called stable before the final"] == ["40.0%", "-"]
    assert found["stable words that changed afterwards"] == ["0", "-"]
    assert found["finals that equal the last partial"] == ["50.0%", "-"]
    assert found["utterances whose final came in their pause"] == ["3 of 4", "-"]
    assert found["utterances cut inside a word"] == ["25.0%", "-"]
    assert found["words a minute from music"] == ["1.5", "-"]
    assert "words a minute from clipped speech" not in found


def test_a_changed_stable_word_in_real_time_is_not_hidden() -> None:
    realtime = REPORT["realtime"] | {"stable_words": STABLE | {"changed": 2, "delay_ms": None}}
    found = rows(summary(REPORT | {"realtime": realtime}))
    assert found["stable words that changed afterwards"] == ["2", "-"]


def test_the_details() -> None:
    text = details(REPORT)
    found = rows(text)
    assert found["read"] == ["10.0% (5.0%)", "20.0% (10.0%)"]
    assert found["ann"] == ["5.0%", "10.0%"]
    assert found["from 0.9"] == ["10", "0.95", "0.90"]
    assert found["clipped speech"][-1] == "9"


def test_sections_that_were_not_run_are_left_out() -> None:
    bare = {"clips": 2, "seconds": 60.0}
    assert summary(bare).startswith("2 clips, 1 minutes")
    assert len(rows(summary(bare))) == 2
    assert details(bare) == ""


def test_speakers_are_left_out_where_none_is_known() -> None:
    nobody = {band: s | {"by_speaker": []} for band, s in BANDS.items()}
    report = {"clips": 2, "seconds": 60.0, "accuracy": {"finals": nobody}}
    assert "speaker" not in summary(report) + details(report)
