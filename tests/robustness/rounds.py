"""Rounds for the spelling model: short, exact, and no word twice."""

from __future__ import annotations

from bench.chaos.rounds import Round
from tests.conformance.spelling import ENDPOINT_S, numbered_words, silence, spell

PAUSE = silence(ENDPOINT_S).tobytes()


def spelled_rounds(count: int, utterances: int, words: int = 8) -> list[Round]:
    """As many rounds, each of so many utterances of so many words."""
    return [
        Round.of(
            f"round {number}",
            [
                spell(numbered_words(1000 * number + words * utterance, words)).tobytes()
                for utterance in range(utterances)
            ],
            pause=PAUSE,
        )
        for number in range(count)
    ]
