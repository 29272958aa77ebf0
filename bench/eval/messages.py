"""What a server says during one connection, with how much audio had been sent by then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bench.eval.errors import EvalError


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a hypothesis; times in milliseconds from the start of the stream."""

    text: str
    confidence: float
    start_ms: float
    end_ms: float
    is_stable: bool


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A partial or a final.

    ``sent_ms`` of audio had been sent when it came, ``arrived_ms`` after the first was sent.
    """

    text: str
    is_final: bool
    words: tuple[Word, ...]
    sent_ms: float
    arrived_ms: float


def parse(raw: str | bytes, sent_ms: float, arrived_ms: float) -> Hypothesis:
    """One hypothesis. Raises EvalError for anything else: the server gave up on the stream."""
    fields = json.loads(raw)
    if "status" in fields:
        raise EvalError(f"the server says {fields['status']}: {fields.get('info')}")
    words = tuple(_word(entry) for entry in fields["words"])
    return Hypothesis(fields["text"], fields["isFinal"], words, sent_ms, arrived_ms)


def text_of(messages: list[Hypothesis]) -> str:
    """The finals, joined."""
    return " ".join(message.text for message in messages if message.is_final and message.text)


def words_of(messages: list[Hypothesis]) -> list[Word]:
    """The words of the finals."""
    return [word for message in messages if message.is_final for word in message.words]


def _word(entry: dict[str, Any]) -> Word:
    return Word(
        entry["text"], entry["confidence"], entry["start"], entry["end"], not entry["intermed"]
    )
