"""Lists the n-grams of a KenLM trie binary, so that a model at hand only packed can be mixed.

The layout is that of KenLM's lm/trie.hh, quantize.hh, bhiksha.hh and binary_format.hh, format
version 5, for all four kinds of trie (quantised or not, pointers compressed or not). A node's path
from the root reads backwards: the children of a word are the words that stand before it. What
KenLM inserts where a model had gaps comes out as ordinary n-grams, with the same scores. All reads
are of whole columns; the file is mapped.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tools.lm.errors import LmError
from tools.lm.ngrams import NgramModel, Rows, Scores, Words, model_of

MAGIC: Final = b"mmap lm http://kheafield.com/code format version 5\n\0"
_PARAMETERS: Final = struct.Struct("<B3xfI?3xI")
_PARAMETERS_AT: Final = 88
_KINDS: Final = {2: (False, False), 3: (True, False), 4: (False, True), 5: (True, True)}
_UNIGRAM: Final = np.dtype([("log10", "<f4"), ("backoff", "<f4"), ("next", "<u8")])
_SIGN: Final = np.uint32(0x80000000)
_PLAIN_PROB_BITS, _PLAIN_BACKOFF_BITS = 31, 32

_Integers = NDArray[np.uint64]


def is_binary(path: Path) -> bool:
    """Whether a file begins as KenLM's binaries do."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_trie(path: Path) -> NgramModel:
    """The model in a trie binary.

    Raises:
        LmError: it is of another kind, was built without its words, or ends early.
    """
    if path.stat().st_size < _PARAMETERS_AT + _PARAMETERS.size:  # nor could nothing be mapped
        raise LmError(f"{path}: the KenLM binary ends early or is damaged")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        order, _, kind, has_words, _ = _PARAMETERS.unpack_from(data, _PARAMETERS_AT)
        if kind not in _KINDS:
            raise LmError(
                f"{path}: a KenLM binary with hash tables, whose n-grams cannot be listed; give "
                f"the ARPA file that it was built from, or build it with: build_binary trie"
            )
        if not has_words:
            raise LmError(f"{path}: built without its words; build it without build_binary -v")
        try:
            return _Reader(bytes(data), order, *_KINDS[kind]).model()
        except (IndexError, ValueError, struct.error, OverflowError):
            raise LmError(f"{path}: the KenLM binary ends early or is damaged") from None


@dataclass(frozen=True, slots=True)
class _Tables:
    """What quantised scores stand for; the longest n-grams have no back-off."""

    log10: Scores
    backoff: Scores | None


class _Reader:
    """One pass over the file's bytes from the front; `_at` is where it stands."""

    def __init__(self, data: bytes, order: int, quantised: bool, compressed: bool) -> None:
        self._data = data
        self._quantised = quantised
        self._compressed = compressed
        # Any eight bytes as an integer: KenLM reads bit fields by unaligned loads.
        self._at_byte: _Integers = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
        counts_at = _PARAMETERS_AT + _PARAMETERS.size
        self._counts = list(struct.unpack_from(f"<{order}Q", data, counts_at))
        if max(self._counts) > 8 * len(data):  # before anything of that size is made
            raise ValueError("more n-grams than there are bits")
        self._word_bits = self._counts[0].bit_length()
        hashes_at = _aligned(counts_at + 8 * order)
        self._at = hashes_at + 8 + 8 * self._counts[0]
        self._max_chop = 0

    def model(self) -> NgramModel:
        """All levels, from 1-grams on."""
        tables = self._read_tables()
        unigrams = self._read(_UNIGRAM, self._counts[0] + 2)
        count = self._counts[0]
        nexts = unigrams["next"][: count + 1].astype(np.int64)
        grams: Words = np.arange(count, dtype=np.int32)[:, None]
        log10 = unigrams["log10"][:count].astype(np.float64)
        entries = [(grams, log10, unigrams["backoff"][:count].astype(np.float64))]
        for n, table in enumerate(tables, start=2):
            words, log10_n, backoff_n, nexts_n = self._read_level(n, table)
            children = np.diff(nexts)
            if (children < 0).any() or children.sum() != len(words):
                raise ValueError("pointers do not add up")
            parents = np.repeat(np.arange(len(grams)), children)
            grams = np.concatenate([words[:, None], grams[parents]], axis=1)
            entries.append((grams, log10_n, backoff_n))
            nexts = nexts_n
        model, orphan = model_of(self._read_words(), entries)
        if orphan is not None:
            raise ValueError("an n-gram without its beginning")
        return model

    def _read_tables(self) -> list[_Tables | None]:
        order = len(self._counts)
        if not self._quantised:
            return [None] * (order - 1)
        _version, log10_bits, backoff_bits = self._data[self._at : self._at + 3]
        self._at += 8
        tables: list[_Tables | None] = []
        for n in range(2, order + 1):
            log10 = self._read(np.dtype("<f4"), 1 << log10_bits).astype(np.float64)
            backoff = None
            if n < order:
                backoff = self._read(np.dtype("<f4"), 1 << backoff_bits).astype(np.float64)
            tables.append(_Tables(log10, backoff))
        return tables

    def _read_level(self, n: int, table: _Tables | None) -> tuple[Words, Scores, Scores, Rows]:
        """Words, scores and, one more than those, pointers into the next level."""
        count = self._counts[n - 1]
        longest = n == len(self._counts)
        offsets, pointer_bits = None, 0
        if not longest:
            offsets, pointer_bits = self._read_pointers(count, self._counts[n])
        log10_bits = _PLAIN_PROB_BITS if table is None else _bits_of(table.log10)
        backoff_bits = 0
        if not longest:
            backoff_bits = (
                _PLAIN_BACKOFF_BITS
                if table is None or table.backoff is None
                else _bits_of(table.backoff)
            )
        total = self._word_bits + log10_bits + backoff_bits + pointer_bits
        entry = self._at * 8 + np.arange(count + 1) * total
        words = self._bits(entry[:-1], self._word_bits).astype(np.int32)
        scores_at = entry[:-1] + self._word_bits
        backoff = np.zeros(count)
        if table is None:
            stored = self._bits(scores_at, _PLAIN_PROB_BITS).astype(np.uint32) | _SIGN
            log10 = stored.view(np.float32).astype(np.float64)
            if not longest:
                at = scores_at + _PLAIN_PROB_BITS
                stored = self._bits(at, _PLAIN_BACKOFF_BITS).astype(np.uint32)
                backoff = stored.view(np.float32).astype(np.float64)
        else:
            log10 = table.log10[self._bits(scores_at + backoff_bits, log10_bits)]
            if table.backoff is not None:
                backoff = table.backoff[self._bits(scores_at, backoff_bits)]
        nexts: Rows = np.zeros(0, np.int64)
        if not longest:
            nexts = self._bits(entry + (total - pointer_bits), pointer_bits).astype(np.int64)
        if offsets is not None:
            nexts |= (np.searchsorted(offsets, np.arange(count + 1), "right") - 1) << pointer_bits
        self._at += ((count + 1) * total + 7) // 8 + 8
        return words, log10, backoff, nexts

    def _read_pointers(self, count: int, following: int) -> tuple[_Integers | None, int]:
        """Where the pointers' high bits change, if they are kept apart, and how many are low."""
        required = following.bit_length()
        if not self._compressed:
            return None, required
        if not self._max_chop:  # written once, before the first level
            self._max_chop = self._data[self._at + 1]
        chop = chopped_bits(count + 1, following, min(required, self._max_chop))
        length = (following >> (required - chop)) + 1
        start = _aligned(self._at) + 8
        offsets = np.frombuffer(self._data, "<u8", length, start)
        self._at += 8 * (1 + length) + 7
        return offsets, required - chop

    def _read_words(self) -> list[str]:
        words = self._data[self._at :].split(b"\0")
        if words.pop() != b"" or len(words) != self._counts[0]:
            raise ValueError("another number of words")
        return [word.decode("utf-8", "replace") for word in words]

    def _read(self, kind: np.dtype[Any], count: int) -> NDArray[Any]:
        values = np.frombuffer(self._data, kind, count, self._at)
        self._at += kind.itemsize * count
        return values

    def _bits(self, at: Rows, width: int) -> _Integers:
        """The integers of `width` bits, up to 57, at these bits of the file."""
        shifted = self._at_byte[at >> 3] >> (at & 7).astype(np.uint64)
        values: _Integers = shifted & np.uint64((1 << width) - 1)
        return values


def chopped_bits(entries: int, following: int, most: int) -> int:
    """How many high bits of its pointers KenLM keeps apart: what makes the file smallest."""
    required = following.bit_length()
    costs = [(following >> (required - chop)) * 64 - entries * chop for chop in range(most + 1)]
    return costs.index(min(costs))


def _bits_of(table: Scores) -> int:
    return len(table).bit_length() - 1


def _aligned(at: int) -> int:
    return -(-at // 8) * 8
