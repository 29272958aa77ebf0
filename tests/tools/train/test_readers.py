"""Readers of corpora, over folders laid out as the corpora are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.train.readers import READERS, CorpusError, Recording


def test_manifest_paths_are_relative_to_it(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    path.write_text('{"audio": "a/b.wav", "text": "Hi", "speaker": "s"}\n', encoding="utf-8")
    assert list(READERS["manifest"](path)) == [Recording(tmp_path / "a/b.wav", "Hi", "s")]


def test_a_manifest_line_without_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    path.write_text('{"audio": "a", "text": "x"}\n{"audio": "b"}\n', encoding="utf-8")
    with pytest.raises(CorpusError, match="line 2"):
        list(READERS["manifest"](path))


def test_common_voice_keeps_quotation_marks_and_drops_absent_clips(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "here.mp3").touch()
    rows = ["client_id\tpath\tsentence", 'x\there.mp3\t"Open quote', 'y\tgone.mp3\tnot "held']
    (tmp_path / "validated.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = list(READERS["common-voice"](tmp_path))
    assert found == [Recording(tmp_path / "clips" / "here.mp3", '"Open quote', "cv-x")]


def test_a_common_voice_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="clips"):
        list(READERS["common-voice"](tmp_path))


def test_text_beside_takes_the_audio_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Hello.", encoding="utf-8")
    (tmp_path / "a.flac").touch()
    (tmp_path / "b.txt").write_text("No audio.", encoding="utf-8")
    found = list(READERS["text-beside"](tmp_path))
    assert found == [Recording(tmp_path / "a.flac", "Hello.", tmp_path.name)]


def test_lj_speech_takes_the_spoken_form(tmp_path: Path) -> None:
    (tmp_path / "wavs").mkdir()
    (tmp_path / "wavs" / "LJ1.wav").touch()
    text = "LJ1|In 1455|In fourteen fifty-five\nLJ2|absent|absent\n"
    (tmp_path / "metadata_all.csv").write_text(text, encoding="utf-8")
    found = list(READERS["lj-speech"](tmp_path))
    assert found == [Recording(tmp_path / "wavs" / "LJ1.wav", "In fourteen fifty-five", "lj")]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        list(READERS["manifest"](tmp_path / "none.jsonl"))
