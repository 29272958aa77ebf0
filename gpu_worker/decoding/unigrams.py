"""Where the list of known words comes from, and what can be read of a KenLM binary without KenLM.

The beam search marks down words and beginnings of words that are not on the list. It is taken from
an explicit file; else a `words.txt` beside the model; else the model itself: the 1-grams of an ARPA
file, or the strings that build_binary leaves at the end of a binary. The binary's header, 108
bytes and the number of n-grams, is laid out as in KenLM's lm/binary_format.hh, format version 5.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Final

from gpu_worker.decoding.arpa import ArpaError, read_arpa

ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyz'")
"""What words are spelled with: the acoustic models' letters."""
WORDS_FILE: Final = "words.txt"
UNREADABLE: Final = (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, zlib.error)
"""What reading text that may be compressed raises where it is damaged, or no text."""
_SPECIAL: Final = frozenset({"<s>", "</s>", "<unk>"})
_BINARY_MAGIC: Final = b"mmap lm http://kheafield.com/code format version"
_HAS_WORDS: Final = struct.Struct("<100x?")
_WORD_COUNT: Final = struct.Struct("<108xQ")
_FIRST_WORD: Final = b"<unk>\0"


class LanguageModelError(Exception):
    """A language model or its word list cannot be used; one line that says what would be right."""


def find_words(model: Path, words_file: Path | None) -> list[str]:
    """The known words for a model that exists, or [] where a binary was built without them.

    Raises LanguageModelError for an unreadable or empty list and for a truncated binary.
    """
    beside = model.with_name(WORDS_FILE)
    if words_file is not None:
        return _words_of_list(words_file)
    if beside.is_file():
        return _words_of_list(beside)
    if (stored := stored_words(model)) is not None:
        return stored
    try:
        with _open_text(model) as lines:
            return _words_of_arpa(lines)
    except UNREADABLE as error:
        raise LanguageModelError(
            f"{model}: its 1-grams cannot be read as UTF-8 text ({error}); give an ARPA file as "
            f"lmplz writes it, or a {WORDS_FILE} beside it with one word a line"
        ) from None


def stored_words(model: Path) -> list[str] | None:
    """The words at the end of a KenLM binary ([] if built without), None if it is no binary."""
    with model.open("rb") as file:
        start = file.read(_WORD_COUNT.size)
        if not start.startswith(_BINARY_MAGIC):
            return None
        if len(start) < _WORD_COUNT.size:
            raise _truncated(model)
        if not _HAS_WORDS.unpack_from(start)[0]:
            return []
        count: int = _WORD_COUNT.unpack(start)[0]
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            position = data.rfind(_FIRST_WORD)
            while position >= 0:
                words = data[position:].split(b"\0")
                # An ARPA file may count the unknown word or leave it to KenLM.
                if words.pop() == b"" and len(words) in {count, count + 1}:
                    return _spoken(word.decode("utf-8", "replace") for word in words)
                position = data.rfind(_FIRST_WORD, 0, position)
    raise _truncated(model)


def arpa_fault(model: Path) -> str | None:
    """The first line of a text file that is wrong as ARPA and why, None if this cannot tell.

    Takes as long as reading the file: for a model that KenLM has refused.
    """
    try:
        with _open_text(model) as lines:
            for _ in read_arpa(lines):
                pass
    except ArpaError as error:
        return str(error)
    except UNREADABLE:
        return None
    return None


def check_spelling(model: Path, words: Sequence[str]) -> None:
    """Refuses a model of which no word could ever be heard.

    Raises LanguageModelError where words are listed and none is spelled with `ALPHABET`.
    """
    if not words or any(ALPHABET.issuperset(word) for word in words):
        return
    advice = "build it from text in spoken form: realtime-engine lm build"
    if any(ALPHABET.issuperset(word.lower()) for word in words):
        advice = "its words are in capitals; build it from text in lower case"
    raise LanguageModelError(
        f"{model}: none of its {len(words)} words is spelled with a to z and the apostrophe, "
        f"unlike what is recognised (it has {words[0][:30]!r}); {advice}"
    )


def _words_of_list(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise LanguageModelError(
            f"{path}: cannot be read ({reason}); give a UTF-8 text file with one word a line"
        ) from None
    words = [line.strip() for line in lines if line.strip()]
    for word in words:
        if any(character.isspace() for character in word):
            raise LanguageModelError(f"{path}: {word[:40]!r} is not one word; give one word a line")
    if not words:
        raise LanguageModelError(f"{path}: holds no words; give one word a line")
    return _spoken(words)


def _words_of_arpa(lines: Iterable[str]) -> list[str]:
    words: list[str] = []
    inside = False
    for line in lines:
        if line.startswith("\\"):
            if inside:
                break
            inside = line.strip() == "\\1-grams:"
        elif inside and len(fields := line.split()) >= 2:
            words.append(fields[1])
    return _spoken(words)


def _open_text(path: Path) -> IO[str]:
    """Text as KenLM would read it: it unpacks compressed ARPA files by itself."""
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"\x1f\x8b":
        return gzip.open(path, "rt", encoding="utf-8")
    if magic == b"BZ":
        return bz2.open(path, "rt", encoding="utf-8")
    if magic == b"\xfd7":
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _spoken(words: Iterable[str]) -> list[str]:
    return [word for word in words if word not in _SPECIAL]


def _truncated(model: Path) -> LanguageModelError:
    return LanguageModelError(
        f"{model}: a KenLM binary that ends too early; copy it again whole, or rebuild it with "
        f"build_binary"
    )
