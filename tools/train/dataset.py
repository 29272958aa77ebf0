"""The prepared data directory: one flat file of samples and a line per clip.

    audio.i16     int16 at 16 kHz, little-endian, clip after clip
    clips.jsonl   a line per clip: source, speaker, text, first_sample, samples
    data.json     totals, options and the SHA-256 of both files

`prepare` writes it, every later stage maps it read-only; 1 hour is 115 MB. `pack` makes it small
enough to carry.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 16_000
AUDIO_FILE: Final = "audio.i16"
CLIPS_FILE: Final = "clips.jsonl"
SUMMARY_FILE: Final = "data.json"
VALIDATION_EVERY: Final = 50
"""One clip in so many is kept out of training, to watch the loss on."""


class DatasetError(Exception):
    """A data directory that cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance of the flat file."""

    source: str
    speaker: str
    text: str
    first_sample: int
    samples: int

    @property
    def end_sample(self) -> int:
        return self.first_sample + self.samples


@dataclass(frozen=True, slots=True)
class Dataset:
    """A prepared directory, mapped."""

    directory: Path
    clips: tuple[Clip, ...]
    samples: NDArray[np.int16]
    summary: dict[str, Any]

    @classmethod
    def load(cls, directory: Path) -> Dataset:
        """Maps the directory.

        Raises:
            DatasetError: it is not one, or its files do not belong together.
        """
        try:
            summary = json.loads((directory / SUMMARY_FILE).read_text(encoding="utf-8"))
            lines = (directory / CLIPS_FILE).read_text(encoding="utf-8").splitlines()
            samples = np.memmap(directory / AUDIO_FILE, np.dtype("<i2"), "r")
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{directory} is not a directory made by `prepare`: {error}"
            ) from error
        clips = tuple(Clip(**json.loads(line)) for line in lines)
        if not clips or clips[-1].end_sample != len(samples):
            raise DatasetError(f"{directory}: {AUDIO_FILE} and {CLIPS_FILE} do not belong together")
        return cls(directory, clips, samples, summary)

    def audio(self, clip: Clip) -> NDArray[np.int16]:
        """The clip's samples."""
        return self.samples[clip.first_sample : clip.end_sample]

    def is_validation(self, index: int) -> bool:
        """Whether clip ``index`` is kept out of training."""
        return index % VALIDATION_EVERY == VALIDATION_EVERY - 1


class DatasetWriter:
    """Appends clips to a new data directory; `close` makes it one."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._audio = (directory / AUDIO_FILE).open("wb")
        self._clips: list[Clip] = []

    def add(self, samples: NDArray[np.int16], source: str, speaker: str, text: str) -> None:
        """Adds one clip, (n,) int16 at 16 kHz."""
        self._audio.write(samples.astype(np.dtype("<i2")).tobytes())
        first = self._clips[-1].end_sample if self._clips else 0
        self._clips.append(Clip(source, speaker, text, first, len(samples)))

    def close(self, **about: Any) -> dict[str, Any]:
        """Writes the clips and the summary, which is returned; ``about`` goes into it."""
        self._audio.close()
        if not self._clips:
            raise DatasetError(f"{self._directory}: not one usable clip was found")
        lines = "".join(json.dumps(asdict(clip)) + "\n" for clip in self._clips)
        (self._directory / CLIPS_FILE).write_text(lines, encoding="utf-8")
        files = (AUDIO_FILE, CLIPS_FILE)
        summary = {
            **about,
            "sources": _totals(self._clips),
            "sha256": {name: sha256_of(self._directory / name) for name in files},
        }
        text = json.dumps(summary, indent=1) + "\n"
        (self._directory / SUMMARY_FILE).write_text(text, encoding="utf-8")
        return summary


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _totals(clips: list[Clip]) -> dict[str, dict[str, float]]:
    """Clips, speakers and hours by source."""
    totals: dict[str, dict[str, float]] = {}
    for source in sorted({clip.source for clip in clips}):
        own = [clip for clip in clips if clip.source == source]
        samples = sum(clip.samples for clip in own)
        totals[source] = {
            "clips": len(own),
            "speakers": len({clip.speaker for clip in own}),
            "hours": round(samples / SAMPLE_RATE_HZ / 3600, 3),
        }
    return totals
