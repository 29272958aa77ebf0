"""`realtime-engine transcribe`, with the echo model: a file that spells words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models import ECHO_MODEL
from server.transcribe import AudioFileError, read_audio
from tests.conformance.spelling import spell


def write_wav(path: Path, text: str, *, channels: int = 1) -> Path:
    samples = spell(text)
    soundfile.write(path, np.repeat(samples[:, None], channels, 1), 16_000, subtype="PCM_16")
    return path


def transcribe(*arguments: str) -> subprocess.CompletedProcess[str]:
    flags = ["--model", str(ECHO_MODEL), "--device", "cpu", "--slots", "1", "--beam-size", "10"]
    return subprocess.run(
        [sys.executable, "-m", "server.cli", "transcribe", *flags, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.server
def test_the_words_of_each_file_are_printed_and_a_bad_file_stops_no_other(tmp_path: Path) -> None:
    one = write_wav(tmp_path / "one.wav", "hello world")
    two = write_wav(tmp_path / "two.flac", "again")
    absent = tmp_path / "absent.wav"
    result = transcribe(str(one), str(absent), str(two))
    assert result.stdout.splitlines() == ["hello world", "again"]
    assert result.stderr.splitlines() == [f"realtime-engine: {absent}: there is no such file"]
    assert result.returncode == 1


@pytest.mark.server
def test_json_has_words_with_times_and_numbers_as_digits(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "number.wav", "seventy two cats", channels=2)
    result = transcribe("--json", "--text2int", str(file))
    assert result.returncode == 0
    heard = json.loads(result.stdout)
    assert heard["text"] == "72 cats"
    assert [word["text"] for word in heard["words"]] == ["72", "cats"]
    assert heard["duration_s"] == pytest.approx(soundfile.info(file).duration, abs=1e-3)
    times = [time for word in heard["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[-1] <= heard["duration_s"] * 1000


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.array([[100, 300], [-100, 100]], np.int16), 8_000, subtype="PCM_16")
    samples, rate_hz = read_audio(path)
    assert rate_hz == 8_000
    assert samples.tolist() == [200, 0]


def test_what_is_no_audio_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no audio")
    with pytest.raises(AudioFileError, match="give WAV, FLAC, MP3 or OGG"):
        read_audio(text)
