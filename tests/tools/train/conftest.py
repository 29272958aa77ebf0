"""A corpus that needs no recordings: each letter is a tone of its own, 120 ms long."""

from __future__ import annotations

import json
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc
from gpu_worker.acoustic.moonshine_encoder import EncoderShape
from models.spec import ModelSpec
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
SPEC: Final = ModelSpec(
    directory=Path(),
    name="tones",
    architecture="moonshine-ctc",
    sample_rate_hz=RATE_HZ,
    frame_samples=384,
    hop_samples=64,
    chunk_frames=25,
    left_frames=125,
    right_samples=4_863,
    margin_samples=256,
    vocabulary=("", *" 'abcdefghijklmnopqrstuvwxyz"),
    blank=0,
    stateful=False,
    alpha=0.7,
    beta=1.5,
    least_support=14.0,
    sure_support=6.0,
    missed_nats_per_s=50.0,
    weights=None,
    language_model=None,
    second_pass=None,
)
SMALL: Final = EncoderShape(
    width=32, hidden=64, encoder_layers=2, heads=4, rotated=6, rotation_base=10_000.0
)


def write_geometry(folder: Path, language_model: str | None = None) -> Path:
    """A model directory without weights: what training begins with."""
    fields = {field.name: getattr(SPEC, field.name) for field in dataclass_fields(SPEC)}
    del fields["directory"]
    folder.mkdir()
    spec = {**fields, "language_model": language_model}
    (folder / "model.json").write_text(json.dumps(spec), encoding="utf-8")
    return folder


def small_model() -> MoonshineCtc:
    """The same untrained network at every call, small enough for a test's steps."""
    torch.manual_seed(3)
    return MoonshineCtc(SPEC, SMALL)


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
