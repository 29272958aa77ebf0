"""The clips to evaluate on: read once from a JSONL file, bounded by its length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from bench.eval.errors import EvalError
from spoken_form import to_spoken
from tools.loadtest.clips import BUNDLED_AUDIO

BUNDLED: Final = BUNDLED_AUDIO / "transcripts.jsonl"
WANTED: Final = (
    'should be {"audio": PATH, "text": TRANSCRIPT} and may have "speaker" and "source", all texts'
)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and the words said in it; ``speaker`` is empty where nobody wrote it down."""

    audio: Path
    text: str
    speaker: str
    source: str


def read_manifest(path: Path) -> list[Clip]:
    """The clips of a manifest, audio relative to it, transcripts in spoken form.

    Raises:
        EvalError: there is no such file, a line is not as `WANTED`, or audio is missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EvalError(f"no manifest can be read at {path}: {error}") from error
    clips = [
        _clip(path, f"{path} line {number}", line)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not clips:
        raise EvalError(f"{path} names no clips: every line {WANTED}")
    return clips


def spread(items: Sequence[Item], count: int | None) -> list[Item]:
    """``count`` items at equal distances (all if there are fewer), so that no speaker is missed."""
    if count is None or count >= len(items):
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]


def _clip(path: Path, place: str, line: str) -> Clip:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise EvalError(f"{place} is not JSON: it {WANTED}") from error
    if not isinstance(fields, dict):
        raise EvalError(f"{place} {WANTED}")
    values = [
        fields.get("audio"),
        fields.get("text"),
        fields.get("speaker", ""),
        fields.get("source", path.stem),
    ]
    audio, text, speaker, source = (v if isinstance(v, str) else None for v in values)
    if not audio or text is None or speaker is None or source is None:
        raise EvalError(f"{place} {WANTED}")
    file = path.parent / audio
    if not file.is_file():
        raise EvalError(f"{place}: there is no audio at {file}")
    return Clip(file, to_spoken(text), speaker, source)
