"""Readers of the corpora that the recipe knows: each lists recordings with their transcripts.

A reader decides nothing about quality; what has no usable transcript is left out by `text`, what
is too long or too short by `prepare`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final


class CorpusError(Exception):
    """A corpus that cannot be read; the message is one line and says what would be right."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One audio file, its transcript as written, and who speaks ("" where nobody knows)."""

    audio: Path
    transcript: str
    speaker: str


def manifest(path: Path) -> Iterator[Recording]:
    """JSON lines with "audio" (relative to the file), "text" and, if known, "speaker"."""
    for number, line in enumerate(_lines(path), start=1):
        try:
            fields = json.loads(line)
            audio, text = fields["audio"], fields["text"]
        except (json.JSONDecodeError, KeyError, TypeError):
            raise CorpusError(
                f'{path}, line {number}: each line must be an object with "audio" and "text"'
            ) from None
        yield Recording(path.parent / audio, text, str(fields.get("speaker", "")))


def common_voice(folder: Path) -> Iterator[Recording]:
    """A language's folder of Mozilla Common Voice: validated.tsv beside clips/.

    A delta release lists clips that it does not hold; they are left out. Quotation marks in the
    table are part of the sentence.
    """
    clips = next((folder / n for n in _CLIP_FOLDERS if (folder / n).is_dir()), None)
    if clips is None:
        raise CorpusError(f"{folder}: a Common Voice folder holds {' or '.join(_CLIP_FOLDERS)}/")
    present = {path.name for path in clips.iterdir()}
    table = _lines(folder / "validated.tsv")
    for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["path"] in present:
            yield Recording(clips / row["path"], row["sentence"], f"cv-{row['client_id'][:16]}")


def text_beside(folder: Path) -> Iterator[Recording]:
    """Audio files with the transcript of each in a .txt file of the same name; one speaker."""
    for text in sorted(folder.glob("*.txt")):
        for suffix in _AUDIO_SUFFIXES:
            if (audio := text.with_suffix(suffix)).is_file():
                yield Recording(audio, text.read_text(encoding="utf-8"), folder.resolve().name)


def lj_speech(folder: Path) -> Iterator[Recording]:
    """LJ Speech, or a part of it: metadata*.csv (name|written|spoken form) beside wavs/."""
    tables = sorted(folder.glob("metadata*.csv"))
    if not tables:
        raise CorpusError(f"{folder}: a folder of LJ Speech holds metadata.csv and wavs/")
    for line in _lines(tables[0]):
        name, *texts = line.rstrip("\n").split("|")
        audio = folder / "wavs" / f"{name}.wav"
        if texts and audio.is_file():
            yield Recording(audio, texts[-1], "lj")


READERS: Final[dict[str, Callable[[Path], Iterator[Recording]]]] = {
    "manifest": manifest,
    "common-voice": common_voice,
    "text-beside": text_beside,
    "lj-speech": lj_speech,
}
_CLIP_FOLDERS: Final = ("clips", "validated_clips")
_AUDIO_SUFFIXES: Final = (".wav", ".flac", ".opus", ".ogg", ".mp3")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read as UTF-8 text: {error}") from error
