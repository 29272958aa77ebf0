"""Reading clips at a rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.eval.audio import read_at_16_khz, read_samples, to_float, to_pcm
from bench.eval.errors import EvalError


def tone(path: Path, frequency_hz: float) -> Path:
    time_s = np.arange(16_000) / 16_000
    wave = 0.5 * np.sin(2 * np.pi * frequency_hz * time_s)
    soundfile.write(path, np.stack([wave, wave], axis=1), 16_000)
    return path


def test_channels_are_mixed_and_the_rate_is_changed(tmp_path: Path) -> None:
    samples = read_samples(tone(tmp_path / "a.wav", 440), 8_000)
    assert samples.shape == (8_000,)
    assert np.abs(samples).max() == pytest.approx(16_384, rel=0.02)


def test_a_line_of_8_khz_loses_the_upper_band(tmp_path: Path) -> None:
    high, low = tone(tmp_path / "high.wav", 6_000), tone(tmp_path / "low.wav", 440)
    assert read_at_16_khz(low, 8_000).shape == (16_000,)
    assert to_float(read_at_16_khz(low, 8_000)).std() > 0.3
    assert to_float(read_at_16_khz(high, 16_000)).std() > 0.3
    assert to_float(read_at_16_khz(high, 8_000)).std() < 0.01


def test_rounding_clips() -> None:
    assert to_pcm(np.array([-2.0, 0.0, 2.0])).tolist() == [-32768, 0, 32767]


def test_what_is_no_audio(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no audio")
    with pytest.raises(EvalError, match="cannot be read as audio"):
        read_samples(tmp_path / "a.wav", 16_000)
