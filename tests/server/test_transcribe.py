from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from server.transcribe import AudioFileError, Transcript, read_audio
from tests.conformance.server_process import ECHO
from tests.conformance.spelling import SPEC, silence, spell
from tests.server.commands import run
from tests.server.wav_files import write_wav

ECHO_FLAGS = ("--model", str(ECHO), "--slots", "1", "--beam-size", "20")


# -- reading files


def test_samples_are_read_as_they_are(tmp_path: Path) -> None:
    samples = np.array([0, 1, -1, 32_767, -32_768], np.int16)
    read, rate_hz = read_audio(write_wav(tmp_path / "a.wav", samples, 44_100))
    assert (read.tolist(), rate_hz) == (samples.tolist(), 44_100)
    assert read.dtype == np.int16


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_other_formats_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.zeros(16_000, np.int16), 16_000)
    read, rate_hz = read_audio(path)
    assert rate_hz == 16_000
    assert read.shape[0] >= 16_000
    assert np.abs(read).max() <= 1


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.array([[10, 20], [-4, 4]], np.int16), 8000)
    assert read_audio(path)[0].tolist() == [15, 0]


def test_samples_that_are_no_numbers_or_out_of_range_do_not_wrap(tmp_path: Path) -> None:
    path = tmp_path / "float.wav"
    wild = np.array([np.nan, np.inf, -np.inf, 3.0, -3.0], np.float32)
    soundfile.write(path, wild, 16_000, subtype="FLOAT")
    assert read_audio(path)[0].tolist() == [0, 32_767, -32_768, 32_767, -32_768]


def test_a_file_without_samples(tmp_path: Path) -> None:
    assert read_audio(write_wav(tmp_path / "a.wav", np.zeros(0, np.int16)))[0].shape == (0,)


@pytest.mark.parametrize("name", ["notes.txt", "notes.wav", "notes.raw", "notes"])
def test_a_file_that_is_no_audio(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("nothing to be heard in here")
    with pytest.raises(AudioFileError) as refused:
        read_audio(path)
    message = str(refused.value)
    assert message.startswith(f"{path} is not readable audio (")
    assert message.endswith("): give WAV, FLAC, MP3 or OGG")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["", "nowhere.wav"])
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioFileError, match="there is no such file"):
        read_audio(tmp_path / name)


def test_the_json_form() -> None:
    words = [{"text": "hi", "confidence": 0.5, "start": 0, "end": 40, "intermed": False}]
    transcript = Transcript(Path("a b.wav"), 1.23456, "hi", words)
    assert json.loads(transcript.to_json()) == {
        "file": "a b.wav",
        "duration_s": 1.235,
        "text": "hi",
        "words": words,
    }


# -- the command


@pytest.fixture(scope="module")
def speech_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two utterances with a pause between them."""
    audio = np.concatenate([spell("room seventy two"), silence(2.0), spell("is free")])
    return write_wav(tmp_path_factory.mktemp("audio") / "speech.wav", audio)


@pytest.mark.server
def test_transcripts_as_json(tmp_path: Path, speech_file: Path) -> None:
    """All utterances of a file are one transcript, in times of the file, at any rate."""
    other_rate = write_wav(tmp_path / "8k.wav", spell("at eight", 8000), 8000)
    nothing = write_wav(tmp_path / "nothing.wav", np.zeros(0, np.int16))
    files = [speech_file, other_rate, nothing]
    outcome = run("transcribe", "--json", *ECHO_FLAGS, *map(str, files))
    assert (outcome.status, outcome.errors) == (0, [])
    first, second, third = map(json.loads, outcome.output)
    assert first["file"] == str(speech_file)
    assert first["text"] == "room seventy two is free"
    frames = len("room seventy two") + len("is free") + 2  # blanks between double letters
    assert first["duration_s"] == pytest.approx(2.0 + frames * SPEC.frame_s)
    words = first["words"]
    assert [word["text"] for word in words] == first["text"].split()
    assert all(set(w) == {"text", "confidence", "start", "end", "intermed"} for w in words)
    assert not any(word["intermed"] for word in words)
    pause_ms = words[3]["start"] - words[2]["end"]
    assert pause_ms == pytest.approx(2000, abs=1000 * SPEC.frame_s + 1), "a start is a frame early"
    assert second["text"] == "at eight"
    assert (third["text"], third["words"], third["duration_s"]) == ("", [], 0.0)


@pytest.mark.server
def test_transcripts_as_lines_and_files_that_cannot_be_read(
    tmp_path: Path, speech_file: Path
) -> None:
    """A file that fails costs an exit code and a line, and none of the others."""
    notes = tmp_path / "notes.wav"
    notes.write_text("not audio")
    files = [tmp_path / "gone.wav", notes, speech_file]
    outcome = run("transcribe", "--text2int", *ECHO_FLAGS, *map(str, files))
    assert outcome.status == 1
    assert outcome.output == ["room 72 is free"]
    assert len(outcome.errors) == 2
    gone, unreadable = outcome.errors
    assert gone == f"realtime-engine: {files[0]}: there is no such file"
    assert unreadable.startswith(f"realtime-engine: {notes} is not readable audio")


@pytest.mark.server
def test_an_engine_that_cannot_start(speech_file: Path) -> None:
    outcome = run("transcribe", "--model", "/nowhere", str(speech_file))
    assert (outcome.status, outcome.output) == (2, [])
    assert outcome.errors == ["realtime-engine: no model in /nowhere: it has no model.json"]
