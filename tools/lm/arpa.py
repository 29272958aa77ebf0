"""ARPA files in and out of `NgramModel`, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np

from gpu_worker.decoding.arpa import DATA, END, ArpaError, read_arpa
from tools.lm.errors import LmError
from tools.lm.ngrams import UNKNOWN, NgramModel, Scores, Words, model_of

_LOWEST_LOG10: Final = -99.0  # how ARPA files write that a word is never predicted
_LINES_AT_ONCE: Final = 100_000


class _Columns:
    """The n-grams of one length as they are read."""

    def __init__(self, n: int) -> None:
        self._n = n
        self.words = array("i")
        self.log10 = array("d")
        self.backoff = array("d")
        self.lines = array("q")

    def arrays(self) -> tuple[Words, Scores, Scores]:
        """Grams (N, n), log10 and back-off (N,)."""
        grams = np.frombuffer(self.words, np.int32) if self.words else np.zeros(0, np.int32)
        return grams.reshape(-1, self._n), np.array(self.log10), np.array(self.backoff)


def load_arpa(path: Path) -> NgramModel:
    """Reads an ARPA file, which gzip, bzip2 or xz may have compressed.

    Raises:
        LmError: the line that is wrong and why, or that the file cannot be read as text.
    """
    try:
        with open_text(path) as lines:
            return _read(lines)
    except ArpaError as error:
        raise LmError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise LmError(f"{path}: not an ARPA file in UTF-8; lmplz writes such files") from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise LmError(f"{path}: cannot be read ({reason})") from None


def write_arpa(model: NgramModel, path: Path) -> None:
    """Writes a model as ARPA text of seven digits, which is what KenLM's floats hold."""
    words = np.array(model.words, dtype=object)
    with path.open("w", encoding="utf-8") as out:
        out.write(DATA + "\n")
        out.writelines(f"ngram {n}={count}\n" for n, count in enumerate(model.counts, start=1))
        for n in range(1, model.order + 1):
            out.write(f"\n\\{n}-grams:\n")
            out.writelines(_lines(model, n, words))
        out.write(f"\n{END}\n")


def open_text(path: Path) -> IO[str]:
    """Opens text that may be compressed, by what it begins with."""
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(path, "rt", encoding="utf-8")
    if magic.startswith(b"BZh"):
        return bz2.open(path, "rt", encoding="utf-8")
    if magic.startswith(b"\xfd7zXZ\0"):
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _read(lines: IO[str]) -> NgramModel:
    columns: list[_Columns] = []
    ids: dict[str, int] = {}
    for line, log10, words, backoff in read_arpa(lines):
        if len(words) > len(columns):
            columns.append(_Columns(len(words)))
        if len(words) == 1:
            ids[words[0]] = len(ids)
        level = columns[len(words) - 1]
        level.words.extend([ids[word] for word in words])
        level.log10.append(log10 if log10 > _LOWEST_LOG10 else -np.inf)
        level.backoff.append(backoff)
        level.lines.append(line)
    if not columns:
        raise ArpaError(1, "there are no words in it")
    entries = [level.arrays() for level in columns]
    if UNKNOWN not in ids:  # KenLM adds it too
        ids[UNKNOWN] = len(ids)
        first = entries[0]
        entries[0] = (
            np.append(first[0], [[ids[UNKNOWN]]], axis=0).astype(np.int32),
            np.append(first[1], -np.inf),
            np.append(first[2], 0.0),
        )
    model, orphan = model_of(list(ids), entries)
    if orphan is not None:
        n, row = orphan.tolist()
        raise ArpaError(
            columns[n - 1].lines[row], f"its first {n - 1} words are not among the {n - 1}-grams"
        )
    return model


def _lines(
    model: NgramModel, n: int, words: np.ndarray[tuple[int], np.dtype[np.object_]]
) -> Iterator[str]:
    level = model.levels[n - 1]
    grams = model.grams(n)
    log10 = np.maximum(level.log10, _LOWEST_LOG10)
    for start in range(0, len(level), _LINES_AT_ONCE):
        part = slice(start, start + _LINES_AT_ONCE)
        texts = (" ".join(gram) for gram in words[grams[part]].tolist())
        scores = zip(log10[part].tolist(), texts, level.backoff[part].tolist(), strict=True)
        if n < model.order:
            yield from (f"{score:.7g}\t{text}\t{back:.7g}\n" for score, text, back in scores)
        else:
            yield from (f"{score:.7g}\t{text}\n" for score, text, _ in scores)
