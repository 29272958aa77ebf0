"""Numbers as digits: "seventy two" becomes "72" in the words of a hypothesis (``text2int=True``).

Pure. The reading of numbers is that of the ``text2num`` library, in English; this module finds the
places where it may read, keeps it from a few readings that are wrong in dictation, and knows which
written words can still change.

The words are cut into *runs*: neighbours that may take part in a number ("twenty", "and", "point",
"a", ...), between *plain* words that never do. Each run is read by itself, with its neighbours only
to tell "half a million". A run followed by a plain word can therefore not change by what is said
later, and that is all that ``stable`` of a written word rests on.

Where a reading differs from the library's:

- "and" joins only what follows hundred, thousand, ...: "twenty and five hundred" is "20 and 500";
- hundred, thousand, ... need a number before them: "several hundred", "1.5 million";
- "a hundred" is 100, but "half a million" and "of a thousand" stay words;
- "oh" between digits is a zero: "three point oh five" is "3.05";
- plurals and fractions stay words: "thousands of people", "all fours", "one third", "a fifth".

A number below three that stands alone stays a word, as the library has it: "one of them".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from text_to_num import find_numbers

from shm.records import Word

_ALONE_FROM: Final = 3.0  # from this value on a number is written in digits even where it is alone


def _vocabulary(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_DIGITS: Final = _vocabulary("zero nought one two three four five six seven eight nine")
_TENS: Final = _vocabulary(
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen "
    "twenty thirty forty fifty sixty seventy eighty ninety"
)
_ORDINALS: Final = _vocabulary(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth "
    "fortieth fiftieth sixtieth seventieth eightieth ninetieth"
)
_SCALES: Final = _vocabulary(
    "hundred thousand million billion hundredth thousandth millionth billionth"
)
_NUMBERS: Final = _DIGITS | _TENS | _ORDINALS | _SCALES
_JOINERS: Final = _vocabulary("and point plus minus")
_OH: Final = _vocabulary("o oh")

# The library knows the sixtieth by this spelling only.
_LIBRARY_SPELLING: Final = {"sixtieth": "sixteeth"}


def convert(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words with their numbers in digits, one `Word` for each written token.

    A number runs from the start of its first word to the end of its last, and is as sure as the
    least sure of them, since one wrong word makes it another number. A written word is stable when
    no later word can change it: its words are stable and so is a plain word after them. That is
    not so at the end of an utterance, where whoever sends the final knows it complete.
    """
    texts = [word.text.lower() for word in words]
    n_closed = _closed_prefix(words, texts)
    written: list[Word] = []
    position = 0
    for start, end, digits in _find_numbers(texts):
        written += _kept(words, position, start, n_closed)
        written.append(_merged(words[start:end], digits, stable=end <= n_closed))
        position = end
    written += _kept(words, position, len(words), n_closed)
    return tuple(written)


def _closed_prefix(words: Sequence[Word], texts: Sequence[str]) -> int:
    """How many words at the start are stable and out of reach of later words.

    A plain word closes everything before it. A joiner right after it is closed too: no number
    begins with one.
    """
    n_closed = 0
    for index, (word, text) in enumerate(zip(words, texts, strict=True)):
        if not word.stable:
            break
        if _is_plain(text) or (text in _JOINERS and n_closed == index):
            n_closed = index + 1
    return n_closed


def _kept(words: Sequence[Word], start: int, end: int, n_closed: int) -> Iterator[Word]:
    for index in range(start, end):
        word, stable = words[index], index < n_closed
        yield word if word.stable == stable else replace(word, stable=stable)


def _merged(words: Sequence[Word], digits: str, stable: bool) -> Word:
    return Word(
        text=digits,
        confidence=min(word.confidence for word in words),
        start_ms=words[0].start_ms,
        end_ms=words[-1].end_ms,
        stable=stable,
    )


def _find_numbers(texts: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Where numbers are and how they are written: (first word, word after the last, digits)."""
    start = 0
    for plain, group in groupby(texts, _is_plain):
        run = list(group)
        if not plain:
            tokens = _read_run(run, before=texts[start - 1] if start else "")
            for number in find_numbers(tokens, "en", _ALONE_FROM):
                yield start + number.start, start + number.end, number.text
        start += len(run)


@dataclass(frozen=True, slots=True)
class _Token:
    """One word as the library wants it: how to read it, or None for no part of a number here."""

    spelling: str
    reading: str | None

    def text(self) -> str:
        return self.spelling if self.reading is None else self.reading

    def not_a_number_part(self) -> bool:
        return self.reading is None

    def nt_separated(self, _previous: _Token) -> bool:
        """No pause splits a number: people think in the middle of a long one."""
        return False


def _read_run(run: Sequence[str], before: str) -> list[_Token]:
    """How each word of a run is to be read. ``before`` is the plain word in front, if any."""
    tokens: list[_Token] = []
    after_number = in_decimals = False
    for word, previous, following in zip(run, [before, *run], [*run[1:], ""], strict=False):
        if word in _SCALES:
            reading = word if after_number and not in_decimals else None
        else:
            reading = _reading(word, previous, following)
        after_number = reading is not None and _is_number(reading)
        in_decimals = word == "point" or (in_decimals and (word in _DIGITS or word in _OH))
        tokens.append(_Token(word, reading))
    return tokens


def _reading(word: str, previous: str, following: str) -> str | None:
    """How a word of a run other than hundred, thousand, ... is read between its neighbours."""
    if word == "a":
        return "one" if following in _SCALES and previous not in {"half", "of"} else None
    if word == "and":
        return word if previous in _SCALES else None
    if word in _OH:
        follows_digits = previous == "point" or previous in _OH or _is_number(previous)
        return "zero" if follows_digits and (following in _OH or _is_number(following)) else None
    if word in _ORDINALS and previous in {"a", "one"}:
        return None
    return _LIBRARY_SPELLING.get(word, word)


def _is_plain(text: str) -> bool:
    """Whether a word is no part of any number, whatever its neighbours are."""
    return not (_is_number(text) or text in _JOINERS or text in _OH or text == "a")


def _is_number(text: str) -> bool:
    """Whether a word is a number by itself, or several: "twenty-two"."""
    return all(part in _NUMBERS for part in text.split("-"))
