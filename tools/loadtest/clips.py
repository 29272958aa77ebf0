"""The audio to play and its transcripts, read before the run so that nothing decodes during it.

Anything that libsndfile reads is mixed to one channel and resampled. No more is decoded than all
streams together can play, so pointing at a large collection costs neither time nor memory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr

BUNDLED_AUDIO: Final = Path(__file__).parent / "audio"
AUDIO_SUFFIXES: Final = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3"})
TRANSCRIPT_NAMES: Final = ("transcripts.jsonl", "transcripts.tsv")


class AudioError(ValueError):
    """The audio cannot be used; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Mono 16-bit little-endian PCM, and what is said in it where that is known."""

    name: str
    pcm: bytes
    reference: str | None

    @property
    def samples(self) -> int:
        """Its length, at least 1."""
        return len(self.pcm) // 2


def load_clips(
    paths: Sequence[Path], rate_hz: int, longest_s: float, enough_s: float, rng: np.random.Generator
) -> list[Clip]:
    """Clips from files and folders at `rate_hz`, in random order, until `enough_s` are together.

    At most `longest_s` of each file is read; a file cut so has no transcript. Raises AudioError.
    """
    files = _find_audio(paths)
    references = _read_transcripts({root for _, root in files} | {file.parent for file, _ in files})
    clips: list[Clip] = []
    loaded_s = 0.0
    for index in rng.permutation(len(files)).tolist():
        file = files[index][0]
        pcm, is_whole = _read_pcm(file, rate_hz, longest_s)
        reference = references.get(file.resolve()) if is_whole else None
        clips.append(Clip(file.name, pcm, reference))
        loaded_s += clips[-1].samples / rate_hz
        if loaded_s >= enough_s:
            break
    return clips


def _find_audio(paths: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Audio files, each with the folder that it was found by, in a stable order."""
    files: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
            if not found:
                kinds = ", ".join(sorted(AUDIO_SUFFIXES))
                raise AudioError(f"no audio in {path}: looked for {kinds}")
            files.update((file, path) for file in found)
        elif path.is_file():
            files[path] = path.parent
        else:
            raise AudioError(f"no such file or folder: {path}")
    return list(files.items())


def _read_pcm(file: Path, rate_hz: int, longest_s: float) -> tuple[bytes, bool]:
    try:
        with soundfile.SoundFile(file) as source:
            wanted = max(1, round(longest_s * source.samplerate))
            samples = source.read(wanted, dtype="float32", always_2d=True)
            is_whole = source.frames <= wanted
            source_rate_hz = source.samplerate
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioError(f"{file} cannot be read as audio: {error}") from error
    mono = soxr.resample(samples.mean(axis=1), source_rate_hz, rate_hz)
    if len(mono) == 0:
        raise AudioError(f"{file} holds no audio")
    pcm = np.clip(np.rint(mono * 32768.0), -32768, 32767).astype("<i2")
    return pcm.tobytes(), is_whole


def _read_transcripts(folders: set[Path]) -> dict[Path, str]:
    """Transcripts by audio file, from the transcript files that lie in the given folders."""
    references: dict[Path, str] = {}
    for folder in sorted(folders):
        for name in TRANSCRIPT_NAMES:
            if (folder / name).is_file():
                references.update(_read_transcript_file(folder / name))
    return references


def _read_transcript_file(file: Path) -> dict[Path, str]:
    read = _read_json_line if file.suffix == ".jsonl" else _read_tab_separated
    references: dict[Path, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            audio, text = read(line)
        except ValueError as error:
            raise AudioError(f"{file} line {number}: {error}") from error
        references[(file.parent / audio).resolve()] = text
    return references


def _read_json_line(line: str) -> tuple[str, str]:
    wanted = 'should be {"audio": "file name", "text": "what is said"}'
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise ValueError(wanted) from error
    match fields:
        case {"audio": str(audio), "text": str(text)}:
            return audio, text
    raise ValueError(wanted)


def _read_tab_separated(line: str) -> tuple[str, str]:
    audio, tab, text = line.partition("\t")
    if not tab:
        raise ValueError("should be a file name, a tab, and what is said")
    return audio, text
