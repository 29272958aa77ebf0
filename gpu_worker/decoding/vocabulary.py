"""The tokens of an acoustic model's output, as the beam searches see them.

Two kinds: characters with " " as a token of its own, or word pieces in which a leading "▁" starts
a word. pyctcdecode's reading of the unknown token is kept: "<unk>" or "[unk]" becomes "⁇" among
characters and "▁⁇▁", a word of its own, among pieces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

SPACE: Final = " "
WORD_START: Final = "▁"
_UNKNOWN: Final = "⁇"
_UNKNOWN_PIECE: Final = f"{WORD_START}{_UNKNOWN}{WORD_START}"
_UNKNOWN_TOKEN: Final = re.compile(r"[<\[]unk[>\]]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Token texts in the order of the model's outputs; what stands at `blank` does not matter.

    Raises ValueError where the tokens are of neither kind.
    """

    tokens: tuple[str, ...]
    blank: int

    def __post_init__(self) -> None:
        if not 0 <= self.blank < len(self.tokens):
            raise ValueError(
                f"blank must be the index of one of the {len(self.tokens)} tokens, not {self.blank}"
            )
        spoken = [token for index, token in enumerate(self.tokens) if index != self.blank]
        if "" in spoken:
            raise ValueError("a token is empty; only the blank may be, and `blank` names its index")
        if len(set(spoken)) != len(spoken):
            twice = next(token for token in spoken if spoken.count(token) > 1)
            raise ValueError(f"token {twice!r} stands twice in the vocabulary; it may stand once")
        if self.word_pieces == (SPACE in spoken):
            raise ValueError(
                f"the vocabulary must hold either {SPACE!r} as a token between words or word "
                f"pieces that begin with {WORD_START!r}, and not both"
            )
        for token in spoken:
            _check(token)

    @property
    def word_pieces(self) -> bool:
        """Whether "▁" starts words; otherwise " " separates them."""
        return any(
            token.startswith(WORD_START)
            for index, token in enumerate(self.tokens)
            if index != self.blank
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The tokens with "" for the blank and pyctcdecode's marks for the unknown token."""
        unknown = _UNKNOWN_PIECE if self.word_pieces else _UNKNOWN
        return tuple(
            "" if index == self.blank else unknown if _UNKNOWN_TOKEN.fullmatch(token) else token
            for index, token in enumerate(self.tokens)
        )

    @property
    def spellings(self) -> tuple[str, ...]:
        """The characters that each token adds to a word: none for the blank, " " and "▁"."""
        return tuple(label.strip(SPACE + WORD_START) for label in self.labels)

    @property
    def opens_word(self) -> tuple[bool, ...]:
        """For each token, whether it ends the word before it."""
        return tuple(label.startswith((SPACE, WORD_START)) for label in self.labels)

    @property
    def closes_word(self) -> tuple[bool, ...]:
        """For each token, whether it also ends the word that it begins: "▁" alone and "▁⁇▁"."""
        return tuple(label.endswith(WORD_START) for label in self.labels)


def _check(token: str) -> None:
    if token != SPACE and any(character.isspace() for character in token):
        raise ValueError(f"token {token!r} holds white space; only {SPACE!r} alone may")
    if token.startswith("##"):
        raise ValueError(f"token {token!r}: mark word starts with {WORD_START!r}, not with '##'")
    if WORD_START in token[1:] and token != _UNKNOWN_PIECE:
        raise ValueError(f"token {token!r}: {WORD_START!r} may only stand first")
