"""What every hypothesis looks like (line 11 of the protocol); the client checks each one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, TypeAlias

Message: TypeAlias = dict[str, Any]
HYPOTHESIS_TYPES: Final = {
    "msgId": str,
    "text": str,
    "confidence": float,
    "isFinal": bool,
    "words": list,
}
WORD_TYPES: Final = {"text": str, "confidence": float, "start": int, "end": int, "intermed": bool}
STATUS_TYPES: Final = {"status": str, "info": str, "msgId": str}
SESSION_TYPES: Final = {"session": str, "audioBytes": int, "dones": int}
"""What `ready` says besides, to a client that asked for a session to come back to."""


def check_message(message: Message, sent_ms: float) -> None:
    """Fails unless the message is a status or a hypothesis about the ``sent_ms`` sent so far."""
    assert uuid.UUID(message["msgId"]).version == 4
    if "status" in message:
        comes_back = SESSION_TYPES if "session" in message else {}
        _check_types(message, STATUS_TYPES | comes_back)
    else:
        check_hypothesis(message, sent_ms)


def check_hypothesis(message: Message, sent_ms: float) -> None:
    """Fails unless keys, types and ranges are right and no time is past the audio."""
    _check_types(message, HYPOTHESIS_TYPES)
    words = message["words"]
    assert message["text"] == " ".join(word["text"] for word in words)
    assert 0.0 <= message["confidence"] <= 1.0
    for word in words:
        _check_types(word, WORD_TYPES)
        assert word["text"]
        assert " " not in word["text"]
        assert 0.0 <= word["confidence"] <= 1.0
        assert 0 <= word["start"] <= word["end"] <= sent_ms
        assert not (message["isFinal"] and word["intermed"]), "nothing in a final may change"
    for word, following in pairwise(words):
        assert word["start"] <= following["start"]
        assert word["end"] <= following["end"]


def check_order(messages: list[Message]) -> None:
    """Fails if the last of a connection's ``messages`` is a partial without words for nothing.

    One may take back a partial whose utterance has ended without words.
    """
    last = messages[-1]
    if "text" in last and not last["words"] and not last["isFinal"]:
        before = [message for message in messages[:-1] if "text" in message]
        assert before, "a partial without words comes first"
        assert before[-1]["words"], "a partial without words follows a message without words"
        assert not before[-1]["isFinal"], "a partial without words follows a final"


def text_of(messages: list[Message]) -> str:
    """The texts of the finals among ``messages``, joined as one stream of words."""
    return " ".join(m["text"] for m in messages if m.get("isFinal") and m["text"])


def _check_types(fields: Message, types: Mapping[str, type]) -> None:
    assert {name: type(value) for name, value in fields.items()} == types
