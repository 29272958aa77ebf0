from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tools.loadtest.clips import BUNDLED_AUDIO, AudioError, Clip, load_clips


def tone(rate_hz: int, seconds: float) -> NDArray[np.float64]:
    times_s = np.arange(int(rate_hz * seconds), dtype=np.float64) / rate_hz
    return np.asarray(0.5 * np.sin(2 * np.pi * 440 * times_s), dtype=np.float64)


def load(
    *paths: Path,
    rate_hz: int = 8000,
    longest_s: float = 60,
    enough_s: float = 1e6,
    seed: int = 0,
) -> list[Clip]:
    return load_clips(paths, rate_hz, longest_s, enough_s, np.random.default_rng(seed))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_any_format_becomes_mono_at_the_wanted_rate(
    tmp_path: Path, suffix: str, rate_hz: int
) -> None:
    file = tmp_path / f"a.{suffix}"
    mono = tone(44100, 0.5)
    soundfile.write(file, np.stack((mono, mono), axis=1), 44100)
    (clip,) = load(file, rate_hz=rate_hz)
    assert abs(clip.samples - rate_hz / 2) < rate_hz / 100
    heard = np.frombuffer(clip.pcm, "<i2") / 32768
    middle = slice(rate_hz // 10, rate_hz // 10 * 4)
    spectrum = np.abs(np.fft.rfft(heard[middle]))
    peak_hz = np.argmax(spectrum) * rate_hz / len(heard[middle])
    assert abs(peak_hz - 440) < 10
    assert 0.45 < np.abs(heard[middle]).max() < 0.55


def test_full_scale_does_not_wrap_round(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(800, np.float32), 8000, subtype="FLOAT")
    (clip,) = load(tmp_path / "a.wav")
    assert set(np.frombuffer(clip.pcm, "<i2")) == {32767}


@pytest.mark.parametrize("name", ["transcripts.jsonl", "transcripts.tsv"])
def test_transcripts_lie_beside_the_audio_or_at_the_top(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    for file in ("a.wav", "sub/b.wav", "c.wav", "sub/d.wav"):
        soundfile.write(tmp_path / file, tone(8000, 0.1), 8000)

    def write(folder: Path, rows: dict[str, str]) -> None:
        lines = [
            json.dumps({"audio": audio, "text": text}) if name.endswith("l") else f"{audio}\t{text}"
            for audio, text in rows.items()
        ]
        (folder / name).write_text("\n\n".join(lines) + "\n")

    write(tmp_path, {"a.wav": "said a", "sub/b.wav": "said b"})
    write(tmp_path / "sub", {"d.wav": "said d"})
    said = {clip.name: clip.reference for clip in load(tmp_path)}
    assert said == {"a.wav": "said a", "b.wav": "said b", "c.wav": None, "d.wav": "said d"}


def test_a_file_is_cut_and_then_has_no_transcript(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(8000, 1.0), 8000)
    (tmp_path / "transcripts.tsv").write_text("a.wav\tsaid\n")
    (cut,) = load(tmp_path, longest_s=0.5)
    assert (cut.samples, cut.reference) == (4000, None)
    (whole,) = load(tmp_path, longest_s=1.0)
    assert (whole.samples, whole.reference) == (8000, "said")


def test_no_more_is_read_than_is_played_and_the_seed_chooses(tmp_path: Path) -> None:
    for number in range(10):
        soundfile.write(tmp_path / f"{number}.wav", tone(8000, 0.5), 8000)
    choices = {tuple(c.name for c in load(tmp_path, enough_s=1.2, seed=s)) for s in range(5)}
    assert {len(choice) for choice in choices} == {3}
    assert len(choices) > 1


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.txt", "", "no audio in .*: looked for .flac, .mp3, .ogg, .opus, .wav"),
        ("a.wav", "no audio", "a.wav cannot be read as audio: "),
    ],
)
def test_unusable_audio_is_said_in_one_line(
    tmp_path: Path, file: str, content: str, message: str
) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(AudioError, match=message) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_and_empty_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no such file or folder: .*nothing"):
        load(tmp_path / "nothing")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    with pytest.raises(AudioError, match=r"empty\.wav holds no audio"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("transcripts.jsonl", "a.wav said"),
        ("transcripts.jsonl", '{"audio": "a.wav"}'),
        ("transcripts.tsv", "a.wav said"),
    ],
)
def test_a_bad_transcript_line_is_named(tmp_path: Path, name: str, line: str) -> None:
    soundfile.write(tmp_path / "a.wav", tone(8000, 0.1), 8000)
    (tmp_path / name).write_text(f"\n{line}\n")
    with pytest.raises(AudioError, match=rf"{name} line 2: should be "):
        load(tmp_path)


def test_the_bundled_clips_are_whole_sentences_with_transcripts() -> None:
    clips = load(BUNDLED_AUDIO)
    assert len(clips) == 20
    assert all(clip.reference for clip in clips)
    assert all(3 <= clip.samples / 8000 <= 12 for clip in clips)
    assert 120 <= sum(clip.samples for clip in clips) / 8000 <= 180
    assert sum(file.stat().st_size for file in BUNDLED_AUDIO.iterdir()) < 1_000_000
    assert len({clip.name.split("-")[0] for clip in clips}) == 10  # speakers
