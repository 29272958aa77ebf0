from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tools.train import speak as module
from tools.train.readers import CorpusError, manifest
from tools.train.speak import MOST_WORDS, RATE_HZ, VOICE_RATE_HZ, lines_of, passage, speak

LINES = [f"line number {number} says something of its own" for number in range(50)]


def hum(text: str, speed: float, seed: int) -> NDArray[np.float32]:
    """A third of a second for a word, louder than it may be."""
    rng = np.random.default_rng(seed)
    samples = round(len(text.split()) * VOICE_RATE_HZ / 3 / speed)
    return rng.normal(0, 1, samples).astype(np.float32)


def test_passages_are_running_text_of_many_lengths() -> None:
    passages = [passage(LINES, np.random.default_rng(seed)) for seed in range(200)]
    everything = " ".join(LINES)
    assert all(text in everything for text in passages)
    lengths = {len(text.split()) for text in passages}
    assert max(lengths) <= MOST_WORDS
    assert min(lengths) < 10 < 30 < max(lengths)


def test_a_line_that_is_too_long_is_passed_over() -> None:
    endless = " ".join(["word"] * (MOST_WORDS + 1))
    rng = np.random.default_rng(0)
    assert {passage([endless, "a short line of it"], rng) for _ in range(20)} == {
        "a short line of it"
    }


def test_text_without_sentences_is_refused() -> None:
    with pytest.raises(CorpusError, match="one sentence a line"):
        passage([" ".join(["word"] * 10_000)], np.random.default_rng(0))


def test_what_is_made_is_a_corpus_and_the_same_however_often_it_was_stopped(tmp_path: Path) -> None:
    hours = 60 / 3600
    at_once = speak(LINES, hum, tmp_path / "one", hours, seed=7)
    for part in (0.3, 0.6, 1.0):
        in_parts = speak(LINES, hum, tmp_path / "two", part * hours, seed=7)
    assert in_parts == at_once
    one, two = (list(manifest(tmp_path / name / "clips.jsonl")) for name in ("one", "two"))
    assert [r.transcript for r in one] == [r.transcript for r in two]
    assert at_once["clips"] == len(one)
    for first, second in zip(one, two, strict=True):
        samples, rate_hz = soundfile.read(first.audio)
        assert rate_hz == RATE_HZ
        np.testing.assert_array_equal(samples, soundfile.read(second.audio)[0])
    clips = (tmp_path / "one" / "clips.jsonl").read_text(encoding="utf-8").splitlines()
    seconds = sum(json.loads(line)["seconds"] for line in clips)
    assert seconds >= 60 > seconds - json.loads(clips[-1])["seconds"]


def test_other_seeds_say_other_things(tmp_path: Path) -> None:
    for seed in (1, 2):
        speak(LINES, hum, tmp_path / str(seed), 0.001, seed)
    texts = [next(manifest(tmp_path / str(seed) / "clips.jsonl")).transcript for seed in (1, 2)]
    assert texts[0] != texts[1]


def test_text_may_be_gzipped(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    with gzip.open(tmp_path / "packed.txt.gz", "wt", encoding="utf-8") as file:
        file.write("one\n\ntwo\n")
    for name in ("plain.txt", "packed.txt.gz"):
        assert lines_of(tmp_path / name) == ["one", "two"]


def test_no_text_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(CorpusError, match="holds no line of text"):
        lines_of(tmp_path / "empty.txt")
    for name in ("bytes.txt", "missing.txt"):
        with pytest.raises(CorpusError, match="is no text that can be read"):
            lines_of(tmp_path / name)


def test_a_missing_voice_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hibari", None)
    with pytest.raises(CorpusError, match="pip install"):
        module.hibari()
