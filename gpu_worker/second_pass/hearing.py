"""What every attention model of the second pass does alike.

Digits are kept out of the search, so that numbers come as words, as the first pass says them; the
rest of a model's writing is undone by `spoken_form`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gpu_worker.second_pass import SecondPassError
from shm.heard import Heard
from spoken_form import to_spoken

SAMPLE_RATE_HZ: Final = 16_000
BEAM_SIZE: Final = 5
TOKENS_PER_S: Final = 8
"""More than anybody speaks: what is longer has run on after the last word."""
MIN_TOKENS: Final = 16
_NOT_SPOKEN: Final = frozenset("0123456789$£€¥%°#@*[](){}<>♪♫")


class Hearing(Protocol):
    """A loaded attention model. Not shared between threads."""

    can_be_stopped: bool
    """Whether what ``while_waiting`` raises ends the work at once."""
    has_threads: bool
    """Whether it hears in threads of its own, on a CPU: it does not survive a fork then."""

    def hear(
        self,
        utterances: Sequence[NDArray[np.int16]],
        *,
        thorough: bool = True,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> list[tuple[Heard, ...]]:
        """What was said in each utterance, (n,) int16 at 16 kHz: hypotheses, best first.

        A pure function of the audio: nothing is carried from one utterance to the next. Nothing is
        heard in an utterance without samples. ``thorough`` is a beam search with its n-best list;
        otherwise it is the one greedy hypothesis, in two thirds of the time. Calls
        ``while_waiting`` again and again: on a busy CPU a long utterance takes seconds, and who
        hears must not look stuck.

        Raises:
            TimeoutError: it took longer than any utterance can.
        """


def hypotheses(texts: Iterable[tuple[str, float]]) -> tuple[Heard, ...]:
    """Written texts with their log-probabilities as they are spoken, best first.

    Those that are spoken alike become one, with their probabilities added.
    """
    log_probs: dict[str, float] = {}
    for written, log_prob in texts:
        text = to_spoken(written)
        log_probs[text] = float(np.logaddexp(log_probs.get(text, -math.inf), log_prob))
    ranked = sorted(log_probs.items(), key=lambda item: -item[1])
    return tuple(Heard(text, log_prob) for text, log_prob in ranked if text)


def unspoken_tokens(tokenizer: Tokenizer, count: int) -> list[int]:
    """Of the first ``count`` tokens those with a digit or a sign that nobody pronounces."""
    texts = tokenizer.decode_batch([[number] for number in range(count)], skip_special_tokens=False)
    return [number for number, text in enumerate(texts) if not _NOT_SPOKEN.isdisjoint(text)]


def load_tokenizer(directory: Path) -> Tokenizer:
    """The directory's tokenizer.json. Raises SecondPassError if it cannot be read."""
    path = directory / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers library raises nothing narrower
        reason = " ".join(str(error).split())
        raise SecondPassError(
            f"{path} cannot be read as a tokenizer ({reason:.200}): take the model's own, from "
            "where it came"
        ) from error
