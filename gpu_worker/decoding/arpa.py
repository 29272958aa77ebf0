"""Reads the ARPA text format of n-gram models, and names the line and the reason where it is wrong.

The format, after D. Paul's of 1992 as KenLM reads it: a line ``\\data\\``, a line
``ngram N=COUNT`` for each N, then for each N a line ``\\N-grams:`` and its entries, at the end
``\\end\\``. An entry is a base-10 logarithm, N words and, below the longest N, perhaps a back-off
weight. KenLM does the loading; this tells why it would not, and gives the tools the entries. One
pass, which holds nothing but the known words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

DATA: Final = "\\data\\"
END: Final = "\\end\\"

Entry: TypeAlias = tuple[int, float, list[str], float]
"""Line number, log10 probability, words, log10 back-off weight (0 where none is given)."""


class ArpaError(Exception):
    """A line of an ARPA file that is wrong; the message names it and says what would be right."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")


class _Lines:
    """The lines that are not empty, stripped, with the number of the one last read."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.number = 0

    def next(self) -> str:
        """The next line, or an empty string at the end."""
        for line in self._lines:
            self.number += 1
            if stripped := line.strip():
                return stripped
        return ""


def read_arpa(text: Iterable[str]) -> Iterator[Entry]:
    """The entries of an ARPA file in its order, all checked.

    Raises:
        ArpaError: at the first line that is wrong.
    """
    lines = _Lines(text)
    counts = _header(lines)
    known: set[str] = set()
    for n, count in enumerate(counts, start=1):
        for entry in _section(lines, n, count, longest=n == len(counts)):
            words = entry[2]
            if n == 1:
                if words[0] in known:
                    raise ArpaError(lines.number, f"the word {words[0]!r} is there twice")
                known.add(words[0])
            elif not known.issuperset(words):
                missing = next(word for word in words if word not in known)
                raise ArpaError(lines.number, f"the word {missing!r} is not among the 1-grams")
            yield entry
    if lines.next() != END:
        raise ArpaError(lines.number, f"{END} is expected after the last {len(counts)}-gram")


def _header(lines: _Lines) -> list[int]:
    """The numbers of n-grams; leaves `lines` after the line that opens the 1-grams."""
    if lines.next() != DATA:
        raise ArpaError(max(lines.number, 1), f"the header {DATA} is missing")
    counts: list[int] = []
    while (line := lines.next()).startswith("ngram"):
        n, equals, count = line.removeprefix("ngram").replace(" ", "").partition("=")
        if not (equals and n.isdecimal() and count.isdecimal() and int(n) == len(counts) + 1):
            raise ArpaError(
                lines.number, f"'ngram {len(counts) + 1}=COUNT' is expected, not {line[:60]!r}"
            )
        counts.append(int(count))
    if not counts:
        raise ArpaError(lines.number, f"'ngram 1=COUNT' is expected after {DATA}")
    _expect(line, _title(1), lines)
    return counts


def _section(lines: _Lines, n: int, count: int, longest: bool) -> Iterator[Entry]:
    if n > 1:
        _expect(lines.next(), _title(n), lines)
    for done in range(count):
        line = lines.next()
        if not line or line.startswith("\\"):
            raise ArpaError(
                lines.number, f"the header promises {count} {n}-grams, but there are {done}"
            )
        yield _entry(line, n, longest, lines)


def _entry(line: str, n: int, longest: bool, lines: _Lines) -> Entry:
    fields = line.split()
    if len(fields) != n + 1 and (longest or len(fields) != n + 2):
        ending = "" if longest else " and perhaps a back-off weight"
        words = "word" if n == 1 else "words"
        raise ArpaError(lines.number, f"a logarithm, {n} {words}{ending} expected: {line[:60]!r}")
    log10 = _number(fields[0], lines)
    if log10 > 0:
        raise ArpaError(lines.number, f"the logarithm of a probability is at most 0, not {log10}")
    backoff = _number(fields[n + 1], lines) if len(fields) == n + 2 else 0.0
    return lines.number, log10, fields[1 : n + 1], backoff


def _number(field: str, lines: _Lines) -> float:
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ArpaError(lines.number, f"{field[:40]!r} is not a number")
    return value


def _expect(line: str, expected: str, lines: _Lines) -> None:
    if line == expected:
        return
    if line and not line.startswith("\\"):
        raise ArpaError(lines.number, f"{expected} is expected; more n-grams than promised?")
    raise ArpaError(lines.number, f"{expected} is expected, not {line[:60]!r}")


def _title(n: int) -> str:
    return f"\\{n}-grams:"
