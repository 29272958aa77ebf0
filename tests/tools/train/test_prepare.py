"""Corpora to data: rates, channels, speeds, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from tests.tools.train.conftest import RATE_HZ, TEXTS, tones
from tools.train.dataset import Dataset
from tools.train.prepare import Corpus, at_speed, prepare, read_mono


def test_every_text_is_there(tone_data: Dataset) -> None:
    assert [clip.text for clip in tone_data.clips] == list(TEXTS)
    assert {clip.source for clip in tone_data.clips} == {"tones"}


def test_stereo_at_another_rate_becomes_mono_at_16_khz(tmp_path: Path) -> None:
    mono = tones("organ", 8000)
    soundfile.write(tmp_path / "a.wav", np.stack([mono, mono], 1), 8000)
    heard = read_mono(tmp_path / "a.wav") / 32768
    expected = tones("organ")
    assert abs(len(heard) - len(expected)) <= 2
    size = min(len(heard), len(expected))
    assert np.corrcoef(heard[:size], expected[:size])[0, 1] > 0.99


def test_speed_shortens_and_raises_the_pitch() -> None:
    seconds = np.arange(RATE_HZ) / RATE_HZ
    tone = (8000 * np.sin(2 * np.pi * 1000 * seconds)).astype(np.int16)
    faster = at_speed(tone, 1.25)
    assert len(faster) == RATE_HZ * 4 // 5
    assert np.abs(np.fft.rfft(faster)).argmax() * RATE_HZ / len(faster) == 1250


def test_copies_and_what_is_left_out(tmp_path: Path) -> None:
    texts = {"short.wav": "hm", "wordy.wav": "x" * 200, "digits.wav": "number 9", "good.wav": "ok"}
    for name in texts:
        seconds = 0.2 if name == "short.wav" else 1.0
        soundfile.write(tmp_path / name, np.zeros(int(RATE_HZ * seconds)), RATE_HZ)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    lines = [json.dumps({"audio": name, "text": text}) for name, text in texts.items()]
    lines.append(json.dumps({"audio": "broken.wav", "text": "broken"}))
    (tmp_path / "m.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    summary = prepare(
        [Corpus("mixed", "manifest", tmp_path / "m.jsonl")], tmp_path / "data", (1.0, 0.9)
    )
    data = Dataset.load(tmp_path / "data")
    assert [(clip.text, clip.samples) for clip in data.clips] == [("ok", 16_000), ("ok", 17_778)]
    assert summary["left_out"] == 5  # two copies each of short and wordy, and the broken file
