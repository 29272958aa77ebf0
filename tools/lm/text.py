"""Text files for a language model: read, turned into spoken form, or refused with a reason.

A line is taken as a sentence or more. What cannot be used is said by file and line: bytes that are
not UTF-8, files that are not text, and text in which nothing can be said with the letters a to z,
for the acoustic model could never produce it. A file may be compressed by gzip, bzip2 or xz.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from spoken_form import to_spoken
from tools.lm.errors import LmError

_OPENERS: Final = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_WIDE: Final = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
_CONTROL: Final = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a\x1b")
_SENTENCE_END: Final = re.compile(r"(?<=[a-z]{3}[.!?])\s+(?=[A-Z])")
MAX_UNSPEAKABLE: Final = 0.5
"""A file in which more of the lines than this hold no word of a-z is in another script."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences in spoken form, and how many lines of the file held no word at all."""

    lines: list[str]
    unspeakable: int


def read_corpus(path: Path) -> Corpus:
    """The sentences of a text file.

    Raises:
        LmError: the file, the line and the reason.
    """
    sentences: list[str] = []
    used = unspeakable = 0
    first_unspeakable = ""
    for number, line in read_lines(path):
        spoken = [to_spoken(sentence) for sentence in _SENTENCE_END.split(line)]
        if any(spoken):
            used += 1
            sentences += filter(None, spoken)
        elif any(character.isalpha() for character in line):
            unspeakable += 1
            first_unspeakable = first_unspeakable or f"line {number}: {line[:40]!r}"
    if unspeakable > MAX_UNSPEAKABLE * (used + unspeakable):
        raise LmError(
            f"{path}: {first_unspeakable} holds no word of the letters a to z, nor do "
            f"{unspeakable - 1} more of {used + unspeakable} lines; give text in the model's "
            f"language, English"
        )
    if not sentences:
        raise LmError(f"{path}: holds no words; give plain text, one sentence a line")
    return Corpus(sentences, unspeakable)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, stripped, with their numbers from 1.

    Raises:
        LmError: the file, the line and the reason.
    """
    try:
        with _open(path) as file:
            for number, raw in enumerate(file, start=1):
                if number == 1:
                    raw = raw.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901
                if line := _decoded(path, number, raw).strip():
                    yield number, line
    except (OSError, EOFError, lzma.LZMAError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise LmError(f"{path}: cannot be read ({reason}); give a text file in UTF-8") from None


def held_out(lines: Sequence[str], every: int) -> tuple[list[str], list[str]]:
    """Lines to train on, and every so-manieth of them to measure on instead."""
    kept = [line for number, line in enumerate(lines, start=1) if number % every]
    return kept, list(lines[every - 1 :: every])


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(8)
    for magic, opener in _OPENERS.items():
        if start.startswith(magic):
            return opener(path, "rb")  # type: ignore[operator, no-any-return]
    return path.open("rb")


def _decoded(path: Path, number: int, raw: bytes) -> str:
    if number == 1 and raw[:2] in _WIDE:
        raise LmError(f"{path}: line 1: UTF-16 text; convert it: iconv -f UTF-16 -t UTF-8")
    if not _CONTROL.isdisjoint(raw):
        byte = next(byte for byte in raw if byte in _CONTROL)
        raise LmError(
            f"{path}: line {number}: byte 0x{byte:02x} does not occur in text; give a plain text "
            f"file in UTF-8, not a document or a binary"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LmError(
            f"{path}: line {number}: byte 0x{raw[error.start]:02x} is not UTF-8; convert the file, "
            f"from Windows or Latin-1 for instance by: iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
