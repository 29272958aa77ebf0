"""What each token does to a beam, as columns that a frame's beams are computed with."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding.spelling_hash import scattered, spelling_hashes, spelling_powers
from gpu_worker.decoding.vocabulary import Vocabulary

_AFTER_CHARACTERS: Final = 1 << 32  # no token shares its code with a character


class TokenTable:
    """Columns by token: `hashes`, `powers` and `lengths` of spellings, `codes` of the tokens."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        spellings = vocabulary.spellings
        self.blank = vocabulary.blank
        self.width = len(vocabulary.tokens)
        self.hashes = spelling_hashes(spellings)
        self.powers = spelling_powers(spellings)
        self.lengths = np.array([len(spelling) for spelling in spellings], np.int32)
        self.codes = scattered(np.arange(self.width) + _AFTER_CHARACTERS)
        self._opens_word = np.array(vocabulary.opens_word)
        self._closes_word = vocabulary.closes_word
        self._any_closes_word = any(vocabulary.closes_word)

    def word_breaks(
        self, tokens: NDArray[np.intp], stays: NDArray[np.bool_], forced: bool
    ) -> tuple[NDArray[np.bool_], bool]:
        """Where a token begins a new word, (tokens, beams), and whether a break is still due.

        `stays` says where a token leaves a beam's text alone (blank or repeated). After a piece
        that closes its word, pyctcdecode breaks before whatever comes next, which is not a beam's
        next token but the next candidate it visits, in this frame or a later one. `forced` says
        whether such a break was left over.
        """
        breaks: NDArray[np.bool_] = self._opens_word[tokens][:, None] & ~stays
        if not (self._any_closes_word or forced):
            return breaks, False
        for row, token in enumerate(tokens.tolist()):
            moves = np.flatnonzero(~stays[row])
            if moves.size and self._opens_word[token]:
                forced = self._closes_word[token]
            elif moves.size and forced:
                breaks[row, moves[0]] = True
                forced = False
        return breaks, forced
