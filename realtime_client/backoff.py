"""How long to wait before each attempt to connect again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from ``first_s`` to ``longest_s``; after ``attempts`` it gives up.

    Each is shortened by up to a half at random, lest all clients of a server that was restarted
    come back in the same moment. The count starts afresh once a server has got further in the audio
    than any before. By default that is about two minutes of attempts.
    """

    attempts: int = 10
    first_s: float = 0.5
    longest_s: float = 30.0
    random: Callable[[], float] = random.random
    """Numbers from 0 to 1; for tests."""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts must be 1 or more, not {self.attempts}")
        if not 0 < self.first_s <= self.longest_s:
            raise ValueError(
                f"first_s must be more than 0 and not more than longest_s, "
                f"not {self.first_s:g} with longest_s {self.longest_s:g}"
            )

    def delays_s(self) -> Iterator[float]:
        """The wait before each attempt, in seconds; it ends when it is time to give up."""
        delay_s = self.first_s
        for _ in range(self.attempts):
            yield delay_s * (1 - self.random() / 2)
            delay_s = min(2 * delay_s, self.longest_s)
