"""realtime_client/wav.py: files that are taken, and what is said of the others."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from realtime_client.errors import AudioError
from realtime_client.wav import open_wav


def write(path: Path, channels: int = 1, width: int = 2, rate_hz: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(bytes(100 * channels * width))
    return path


def test_it_is_read_a_second_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    pcm = bytes(range(250)) * 300
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm)
    with open_wav(path) as wav:
        assert wav.sample_rate_hz == 8000
        blocks = list(wav.blocks)
    assert b"".join(blocks) == pcm
    assert [len(block) for block in blocks] == [16_000] * 4 + [11_000]


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ({"channels": 2}, r"2 channel\(s\) of 16 bits"),
        ({"width": 1}, r"1 channel\(s\) of 8 bits"),
        ({"width": 3}, r"1 channel\(s\) of 24 bits"),
        ({"rate_hz": 96_000}, "96000 Hz"),
        ({"rate_hz": 4000}, "4000 Hz"),
    ],
)
def test_another_form_and_how_to_convert_it(
    tmp_path: Path, form: dict[str, int], found: str
) -> None:
    path = write(tmp_path / "speech.wav", **form)
    with pytest.raises(AudioError, match=found) as error, open_wav(path):
        pass
    assert f"ffmpeg -i {path} -ac 1 -ar 16000 -c:a pcm_s16le converted.wav" in str(error.value)


@pytest.mark.parametrize("contents", [b"", b"RIFF", b"ID3" + bytes(100), bytes(100)])
def test_what_is_no_wav_file(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "speech.mp3"
    path.write_bytes(contents)
    with pytest.raises(AudioError, match="is not a WAV file of 16-bit mono PCM"), open_wav(path):
        pass
