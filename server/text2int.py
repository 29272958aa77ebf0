"""Numbers as digits: "seventy two" becomes "72" in the words of a hypothesis (``text2int=True``).

Pure. `server.numbers_grammar` knows how numbers are said and `server.numbers_writing` how they are
written; this module finds the places where they may be read, and knows which written words can
still change.

The words are cut into *runs*: neighbours that may take part in a number ("twenty", "and", "point",
"a", ...), between *plain* words that never do. A few ("dollars", "percent", "p", "m") belong to a
run only behind other words of it. Each run is read by itself, with the word in front of it only to
tell "half a million" and "at ten thirty". A run followed by a plain word can therefore not change
by what is said later, and that is all that ``stable`` of a written word rests on.

What is written:

- cardinals, ordinals, decimals: 105, 21st, 3.05, -5, 1.5 million; addresses of computers: 10.0.0.1;
- three figures or more one by one as one number without gaps, "five five five one two three four"
  as 5551234, "double oh seven" as 007; two figures stay apart, "flight 1 2";
- years and decades: 1999, 1805, 2023, 1990s. The century is 13 to 20;
- percent and dollars and euros in one token: 12%, $5.20, $1.5 million;
- times after "at" and before "a m" and "p m", which stay words: 10:30 p m.

What stays words:

- a number below three that stands alone, "one of them"; first and second; "zero" alone;
- hundred, thousand, ... without a number before them, "several hundred"; "half a million";
- plurals and fractions: "thousands of people", "all fours", "one third", "a fifth";
- two figures: "double seven", "oh seven"; "oh oh oh" and other exclamations.

A number that is still being said grows as its words come ("20", then "21"; "5", "$5", "$5.20");
it does not go back to a form it has left, but for rare numbers in a row ("one two three hundred").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from server.numbers_vocabulary import FOLLOWERS, JOINERS, MINUS, PARTS
from server.numbers_writing import write_run
from shm.records import Word


def convert(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words with their numbers in digits, one `Word` for each written token.

    A number runs from the start of its first word to the end of its last, and is as sure as the
    least sure of them, since one wrong word makes it another number. A written word is stable when
    no later word can change it: its words are stable and so is a plain word after them. That is
    not so at the end of an utterance, where whoever sends the final knows it complete.
    """
    texts = [word.text.lower() for word in words]
    plain = _plain(texts)
    n_closed = _closed_prefix(words, texts, plain)
    written: list[Word] = []
    position = 0
    for run_start, run_end in _runs(plain):
        before = texts[run_start - 1] if run_start else ""
        for start, end, digits, _ in write_run(texts[run_start:run_end], before):
            first, last = run_start + start, run_start + end
            written += _kept(words, position, first, n_closed)
            written.append(_merged(words[first:last], digits, stable=last <= n_closed))
            position = last
    written += _kept(words, position, len(words), n_closed)
    return tuple(written)


def _plain(texts: Sequence[str]) -> list[bool]:
    """For each word, whether it is no part of any number, whatever comes after it."""
    plain: list[bool] = []
    for text in texts:
        follows = bool(plain) and not plain[-1]
        plain.append(not (text in PARTS or (follows and text in FOLLOWERS)))
    return plain


def _runs(plain: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Where words that are not plain stand together: (first, one past the last)."""
    start = 0
    for index, is_plain in enumerate([*plain, True]):
        if is_plain:
            if start < index:
                yield start, index
            start = index + 1


def _closed_prefix(words: Sequence[Word], texts: Sequence[str], plain: Sequence[bool]) -> int:
    """How many words at the start are stable and out of reach of later words.

    A plain word closes everything before it. A joiner right after it is closed too: no number
    begins with one, but for its sign.
    """
    n_closed = 0
    for index, (word, text) in enumerate(zip(words, texts, strict=True)):
        if not word.stable:
            break
        if plain[index] or (text in JOINERS - MINUS and n_closed == index):
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
