"""Subtitles in SubRip form (``.srt``) from the words of utterances. Pure.

The measures are those that subtitlers commonly work by: two lines of 42 characters, at most seven
seconds, and at least one second where there is room before the next.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from realtime_client.messages import Word

LINE_CHARS: Final = 42
LINES: Final = 2
LONGEST_MS: Final = 7_000
SHORTEST_MS: Final = 1_000
PAUSE_MS: Final = 1_000
"""A pause within an utterance that a subtitle does not bridge."""


def to_srt(utterances: Iterable[Sequence[Word]]) -> str:
    """One numbered block for each subtitle; none goes over the end of an utterance."""
    cues = [cue for words in utterances for cue in _cues(words)]
    blocks = []
    for number, cue in enumerate(cues, start=1):
        start_ms, end_ms = cue[0].start_ms, cue[-1].end_ms
        readable_ms = start_ms + SHORTEST_MS
        if number < len(cues):
            readable_ms = min(readable_ms, cues[number][0].start_ms)
        times = f"{_timestamp(start_ms)} --> {_timestamp(max(end_ms, readable_ms))}"
        blocks.append("\n".join([str(number), times, *_lines(cue), ""]))
    return "\n".join(blocks)


def _cues(words: Sequence[Word]) -> Iterator[list[Word]]:
    """The words of one utterance, cut where a subtitle is full, long, or bridges a pause."""
    if not words:
        return
    cue = [words[0]]
    for previous, word in pairwise(words):
        too_full = len(_lines([*cue, word])) > LINES
        too_long = word.end_ms - cue[0].start_ms > LONGEST_MS
        if too_full or too_long or word.start_ms - previous.end_ms >= PAUSE_MS:
            yield cue
            cue = []
        cue.append(word)
    yield cue


def _lines(cue: Iterable[Word]) -> list[str]:
    text = " ".join(word.text for word in cue)
    return textwrap.wrap(text, LINE_CHARS, break_long_words=False, break_on_hyphens=False)


def _timestamp(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02},{ms:03}"
