"""The compiled half of the search and of CTC's sums: native/ says what each thing is."""

from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

def ctc_forward(
    rows: NDArray[np.float64],
    tokens: NDArray[np.int64],
    skip: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Carries the states' `scores` (states + 2,) over all `rows` (frames, tokens), in place.

    `tokens` and `skip` are (states,); see `ctc_states`, whose sum over all walks this is.
    Raises ValueError where shapes do not belong together, TypeError for other types of numbers.
    """

@final
class Lexicon:
    """The set of all prefixes of the known words; never changes, may be shared."""

    def __init__(self, prefixes: NDArray[np.uint64]) -> None:
        """`prefixes` are spelling hashes, (prefixes,), without that of ""."""

    def holds(self, spelling: int) -> bool:
        """Whether some word begins so; False for the hash of ""."""

@final
class Token:
    """What a token does to a beam: `spelling` and `power` are the hash of `text` and its factor."""

    def __init__(
        self,
        *,
        text: str,
        spelling: int,
        power: int,
        length: int,
        opens_word: bool,
        closes_word: bool,
    ) -> None: ...

@final
class LanguageScores:
    """What a language model adds to a beam's score, and the beginnings of the words it knows.

    `score_word` gives the log10 of a word after a history (history, word, number of the history
    that the two make); history 0 is the start of a sentence.
    """

    def __init__(
        self,
        *,
        score_word: Callable[[int, str, int], float],
        alpha: float,
        beta: float,
        ln10: float,
        memory: int,
        lexicon: Lexicon | None,
        unknown_score: float,
        usual_word_length: float,
    ) -> None: ...
    def unfinished(self, spelling: int, length: int) -> float:
        """What is added for an unfinished word of so many characters; 0 is none."""

@final
class Sentences:
    """The sequences of words that beams have completed, by number. Number 0 has no words.

    Raises IndexError for a number that is not given out. Numbers last until the search is reset.
    """

    def parent(self, sentence: int) -> int: ...
    def last_word(self, sentence: int) -> str: ...
    def words(self, sentence: int) -> list[str]: ...
    def log10(self, sentence: int) -> float:
        """The language model's score of the last word."""

    def log10s(self, sentence: int) -> list[float]:
        """That of each word."""

    def score(self, sentence: int) -> float:
        """The language model's weighted score of all words, without an end of sentence."""

    def history(self, sentence: int) -> int:
        """The number of the words that bear on what comes next."""

@final
class PrefixBeams:
    """The beams of one segment, best first, and all that they point to."""

    def __init__(
        self,
        *,
        tokens: Sequence[Token],
        blank: int,
        beam_size: int,
        prune_log_prob: float,
        language: LanguageScores | None,
    ) -> None: ...
    def reset(self) -> None: ...
    def advance(
        self, rows: NDArray[np.float32], tokens: NDArray[np.int32], ends: NDArray[np.int32]
    ) -> None:
        """Take frames: `rows` are their log-probabilities, (frames, vocabulary).

        Frame n tries `tokens[ends[n - 1] : ends[n]]` in that order.
        Raises ValueError where the three do not belong together.
        """

    @property
    def sentences(self) -> Sentences: ...
    def completed(self, beam: int) -> int:
        """A beam's sentence with the unfinished word, if any, added."""

    def common_length(self) -> int:
        """With how many words all beams begin alike."""

    def words(self, beam: int) -> list[tuple[str, int, int, float, float, int]]:
        """A beam's words, an unfinished one last: text and the fields of `word_times.Timing`."""

    def ends(self) -> list[tuple[int, float, int, bool]]:
        """What the beams are if the segment ends here, in their order.

        Each a sentence, the score of all beams that end so, the last of them, and whether that one
        ends inside a word.
        """

    def dropped(self) -> list[tuple[int, int, float]]:
        """Sentences that gave way to others of the same history: kept, lost, how far behind."""
