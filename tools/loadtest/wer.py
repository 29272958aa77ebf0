"""Word error rate: substitutions, insertions and deletions per word of the transcript.

Words are compared in lower case, without punctuation but with apostrophes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?")


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Errors against `words` words of transcripts."""

    errors: int
    words: int

    @property
    def rate(self) -> float | None:
        """Errors per word, more than 1 where words are made up; None without transcripts."""
        return self.errors / self.words if self.words else None


def count_word_errors(pairs: Iterable[tuple[str, str]]) -> WordErrors:
    """Errors over pairs of (transcript, hypothesis), each pair aligned by itself."""
    errors = words = 0
    for reference, hypothesis in pairs:
        spoken = plain_words(reference)
        errors += edit_distance(spoken, plain_words(hypothesis))
        words += len(spoken)
    return WordErrors(errors, words)


def plain_words(text: str) -> list[str]:
    """The words of `text` as they are compared."""
    return _WORD.findall(text.lower())


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """The least number of words to change, insert or delete (Levenshtein 1966).

    The table of Wagner and Fischer (1974) is filled row by row. Within a row, an insertion costs
    one more than its left neighbour: after taking off each column's number that is a running
    minimum, so numpy does a whole row at once.
    """
    numbers = {word: number for number, word in enumerate(dict.fromkeys(hypothesis))}
    columns = np.array([numbers[word] for word in hypothesis], dtype=np.int64)
    column_numbers = np.arange(len(columns) + 1)
    row = column_numbers.copy()
    for word in reference:
        below = row + 1  # deletion
        differs = columns != numbers.get(word, -1)
        below[1:] = np.minimum(below[1:], row[:-1] + differs)  # match or substitution
        row = np.minimum.accumulate(below - column_numbers) + column_numbers  # insertion
    return int(row[-1])
