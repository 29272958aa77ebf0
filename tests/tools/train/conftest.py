"""A corpus that needs no recordings: each letter is a tone of its own, 120 ms long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tools.train.dataset import Dataset
from tools.train.prepare import Corpus, prepare

RATE_HZ: Final = 16_000
LETTER_S: Final = 0.12
TEXTS: Final = (
    "a tone for each letter",
    "bees hum",
    "low notes and high notes",
    "it's a dull tune",
)


def tones(text: str, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """The text as tones, spaces silent, with a quarter of a second of silence on both sides."""
    seconds = np.arange(int(LETTER_S * rate_hz)) / rate_hz
    window = np.hanning(len(seconds))
    rest = np.zeros(rate_hz // 4)
    parts = [
        0.3 * window * np.sin(2 * np.pi * (250 + 110 * (ord(letter) - 96)) * seconds)
        if letter.isalpha()
        else np.zeros(len(seconds))
        for letter in text
    ]
    return np.concatenate([rest, *parts, rest]).astype(np.float32)


@pytest.fixture(scope="session")
def tone_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of the texts above, as WAV files."""
    folder = tmp_path_factory.mktemp("tones")
    lines = []
    for number, text in enumerate(TEXTS):
        soundfile.write(folder / f"{number}.wav", tones(text), RATE_HZ)
        line = {"audio": f"{number}.wav", "text": text, "speaker": f"organ-{number % 2}"}
        lines.append(json.dumps(line) + "\n")
    (folder / "tones.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder / "tones.jsonl"


@pytest.fixture(scope="session")
def tone_data(tone_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The manifest, prepared."""
    output = tmp_path_factory.mktemp("data")
    prepare([Corpus("tones", "manifest", tone_manifest)], output)
    return Dataset.load(output)
