"""What a server says, read from the wire: hypotheses and notices, or why a message is neither."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

LONGEST_STREAM_MS: Final = 1e12


class MalformedMessageError(ValueError):
    """The message is none of the protocol's; the text says why."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its place in the stream, in milliseconds from the stream's start."""

    text: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A partial, or the final of an utterance.

    Where it is not ``timed`` its ``words`` are left out; ``message_id`` is empty where the server
    gives none.
    """

    message_id: str
    text: str
    is_final: bool
    words: tuple[Word, ...]
    timed: bool = True

    @property
    def says_something(self) -> bool:
        return bool(self.words) if self.timed else bool(self.text)


@dataclass(frozen=True, slots=True)
class Notice:
    """A message about the connection: "ready", or an error."""

    message_id: str
    status: str
    info: str


Message: TypeAlias = Hypothesis | Notice


def parse_message(raw: str | bytes) -> Message:
    """Reads one message.

    Raises MalformedMessageError where it is binary, no JSON, or lacks what the protocol promises.
    """
    fields = read_object(raw)
    message_id = text_of(fields, "msgId")
    if "status" in fields:
        return Notice(message_id, text_of(fields, "status"), text_of(fields, "info"))
    is_final = fields.get("isFinal")
    if not isinstance(is_final, bool):
        raise MalformedMessageError("isFinal is not true or false")
    listed = fields.get("words")
    if not isinstance(listed, list):
        raise MalformedMessageError("words is not a list")
    return Hypothesis(message_id, text_of(fields, "text"), is_final, tuple(map(_word, listed)))


def _word(entry: object) -> Word:
    if not isinstance(entry, dict):
        raise MalformedMessageError("an entry of words is not an object")
    word = Word(text_of(entry, "text"), _milliseconds(entry, "start"), _milliseconds(entry, "end"))
    if word.end_ms < word.start_ms:
        raise MalformedMessageError("a word ends before it starts")
    return word


def read_object(raw: str | bytes) -> dict[str, Any]:
    """The fields of a message. Raises MalformedMessageError where it is no JSON object."""
    if isinstance(raw, bytes):
        raise MalformedMessageError("a binary message")
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError("not JSON") from error
    if not isinstance(fields, dict):
        raise MalformedMessageError("not a JSON object")
    return fields


def text_of(fields: dict[str, Any], key: str) -> str:
    """The text of a field. Raises MalformedMessageError where it is none."""
    value = fields.get(key)
    if not isinstance(value, str):
        raise MalformedMessageError(f"{key} is not a text")
    return value


def _milliseconds(fields: dict[str, Any], key: str) -> float:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedMessageError(f"{key} is not a time in milliseconds")
    if not 0 <= value < LONGEST_STREAM_MS:  # not a number fails this too
        raise MalformedMessageError(f"{key} is not a time in milliseconds")
    return value
