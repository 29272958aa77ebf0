"""What the server says: a message's text in, a `Hypothesis` or a `Notice` out. Pure.

A field that is missing or of the wrong type is a `ProtocolError` that names it. Fields that this
client does not know are passed over, so that a server may add some.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from realtime_client.errors import ProtocolError

READY: Final = "ready"

_T = TypeVar("_T")
_MAX_QUOTED_CHARS: Final = 80


@dataclass(frozen=True, slots=True)
class Word:
    """One written word. Times are milliseconds from the start of the stream."""

    text: str
    confidence: float
    start_ms: int
    end_ms: int
    is_stable: bool
    """Whether it will not change any more; always so in a final."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was heard of an utterance: so far, or, if ``is_final``, all of it."""

    text: str
    confidence: float
    is_final: bool
    words: tuple[Word, ...]
    message_id: str = field(default="", compare=False, repr=False)
    """The ``msgId`` of its message."""

    def later(self, offset_ms: int) -> Hypothesis:
        """The same with all times moved by ``offset_ms``."""
        if not offset_ms:
            return self
        moved = (
            replace(word, start_ms=word.start_ms + offset_ms, end_ms=word.end_ms + offset_ms)
            for word in self.words
        )
        return replace(self, words=tuple(moved))


@dataclass(frozen=True, slots=True)
class Notice:
    """Anything that is no hypothesis: readiness, or what went wrong."""

    status: str
    info: str
    session: Session | None = None
    """With ``ready``, if the server keeps the session for a client whose connection breaks."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a server says of a session: its name, and what it has received of it so far."""

    token: str
    audio_bytes: int
    dones: int


def parse(message: str | bytes) -> Hypothesis | Notice:
    """One message of the server. Raises `ProtocolError` if it has not the form of one."""
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError):
        raise ProtocolError(f"a message is not JSON: {_quoted(message)}") from None
    if not isinstance(fields, dict):
        raise ProtocolError(f"a message is not a JSON object: {_quoted(message)}")
    if "status" in fields:
        return Notice(_field(fields, "status", str), _field(fields, "info", str), _session(fields))
    return Hypothesis(
        text=_field(fields, "text", str),
        confidence=_confidence(fields),
        is_final=_field(fields, "isFinal", bool),
        words=tuple(_word(word) for word in _field(fields, "words", list)),
        message_id=_field(fields, "msgId", str),
    )


def _session(fields: dict[str, Any]) -> Session | None:
    if "session" not in fields:
        return None
    return Session(
        _field(fields, "session", str),
        _field(fields, "audioBytes", int),
        _field(fields, "dones", int),
    )


def _word(fields: object) -> Word:
    if not isinstance(fields, dict):
        raise ProtocolError(f"an entry of words is not a JSON object: {_quoted(fields)}")
    word = Word(
        text=_field(fields, "text", str),
        confidence=_confidence(fields),
        start_ms=_field(fields, "start", int),
        end_ms=_field(fields, "end", int),
        is_stable=not _field(fields, "intermed", bool),
    )
    if not 0 <= word.start_ms <= word.end_ms:
        raise ProtocolError(
            f"the word {_quoted(word.text)} is from {word.start_ms} ms to {word.end_ms} ms, "
            "times are not negative and the end is not before the start"
        )
    return word


def _confidence(fields: dict[str, Any]) -> float:
    value = fields.get("confidence")
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise ProtocolError(f"confidence must be a number from 0 to 1, not {_quoted(value)}")


def _field(fields: dict[str, Any], name: str, kind: type[_T]) -> _T:
    if name not in fields:
        raise ProtocolError(f"a message has no field {name}: {_quoted(fields)}")
    value = fields[name]
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ProtocolError(f"{name} must be of type {kind.__name__}, not {_quoted(value)}")


def _quoted(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _MAX_QUOTED_CHARS else shown[:_MAX_QUOTED_CHARS] + "..."
