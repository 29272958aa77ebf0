"""From words to the tokens of an acoustic model's vocabulary, the other way round than decoding."""

from __future__ import annotations

from gpu_worker.decoding.vocabulary import SPACE, WORD_START, Vocabulary


class UnspellableError(ValueError):
    """A word that the vocabulary's tokens cannot spell; the message names it."""


class Speller:
    """Spells words with as few tokens as possible, the longer ones first among equals.

    A model of word pieces may have been trained on other splits of a word; this one is then a
    stand-in. With characters there is one spelling only.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        labels = enumerate(vocabulary.labels)
        self._tokens = {label: token for token, label in labels if label not in {"", SPACE}}
        self._longest = max(map(len, self._tokens), default=0)
        self._start = WORD_START if vocabulary.word_pieces else ""
        self.between_words: tuple[int, ...] = (
            () if vocabulary.word_pieces else (vocabulary.tokens.index(SPACE),)
        )
        """What stands between two words: the space token, or nothing where pieces start words."""

    def word(self, word: str) -> tuple[int, ...]:
        """The tokens of one word. Raises UnspellableError where there is no way to spell it."""
        text = self._start + word
        # From the right: the best spelling of what is left at each place, None where there is none.
        rest: list[tuple[int, ...] | None] = [None] * len(text) + [()]
        for begin in range(len(text) - 1, -1, -1):
            for end in range(min(len(text), begin + self._longest), begin, -1):
                token, after = self._tokens.get(text[begin:end]), rest[end]
                if token is None or after is None:
                    continue
                best = rest[begin]
                if best is None or len(after) + 1 < len(best):
                    rest[begin] = (token, *after)
        spelled = rest[0]
        if not word or spelled is None:
            raise UnspellableError(f"{word!r} cannot be spelled with the vocabulary's tokens")
        return spelled
