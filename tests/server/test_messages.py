"""The JSON of every message, letter by letter."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import messages
from shm.records import Hypothesis, Word

HEARD = Hypothesis(
    words=(
        Word("hello", 0.90004, 1000, 1400, stable=True),
        Word("world", 2 / 3, 1450, 1800, stable=False),
    ),
    confidence=0.8599999,
    is_final=False,
)


def parsed(message: bytes) -> dict[str, Any]:
    content = json.loads(message)
    assert isinstance(content, dict)
    assert uuid.UUID(content["msgId"]).version == 4
    assert uuid.UUID(content["msgId"]).variant == uuid.RFC_4122
    return content


def test_ready() -> None:
    content = parsed(messages.ready(messages.new_id()))
    assert list(content) == ["status", "info", "msgId"]
    assert (content["status"], content["info"]) == ("ready", "Websocket ready.")


@pytest.mark.parametrize("limit", [2048, 4096])
def test_rate_limited_names_the_limit_of_the_connection(limit: int) -> None:
    content = parsed(messages.rate_limited(limit))
    assert list(content) == ["status", "info", "msgId"]
    assert content["status"] == "rate_limited"
    assert content["info"] == f"The message chunk size must not exceed {limit}"


def test_odd_byte_count() -> None:
    content = parsed(messages.odd_byte_count(321))
    assert content["status"] == "error"
    assert "321 bytes" in content["info"]
    assert "even" in content["info"]


@given(st.text(st.characters()))
def test_unknown_text_is_quoted_whatever_it_is(text: str) -> None:
    content = parsed(messages.unknown_text(text))
    assert content["status"] == "error"
    assert '"done"' in content["info"]
    assert len(content["info"]) < 600


def test_partial() -> None:
    content = parsed(messages.hypothesis(HEARD))
    assert list(content) == ["msgId", "text", "confidence", "isFinal", "words"]
    del content["msgId"]
    assert content == {
        "text": "hello world",
        "confidence": 0.86,
        "isFinal": False,
        "words": [
            {"text": "hello", "confidence": 0.9, "start": 1000, "end": 1400, "intermed": False},
            {"text": "world", "confidence": 0.667, "start": 1450, "end": 1800, "intermed": True},
        ],
    }
    assert list(content["words"][0]) == ["text", "confidence", "start", "end", "intermed"]


def test_nothing_in_a_final_can_change() -> None:
    final = Hypothesis(HEARD.words, HEARD.confidence, is_final=True)
    content = parsed(messages.hypothesis(final))
    assert content["isFinal"] is True
    assert [word["intermed"] for word in content["words"]] == [False, False]


def test_final_without_words() -> None:
    content = parsed(messages.hypothesis(Hypothesis((), 0.0, is_final=True)))
    assert (content["text"], content["words"], content["confidence"]) == ("", [], 0.0)


def test_text_beyond_ascii_arrives() -> None:
    heard = Hypothesis((Word("naïve 日本", 1.0, 0, 1, stable=True),), 1.0, is_final=True)
    assert parsed(messages.hypothesis(heard))["text"] == "naïve 日本"


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_confidence_that_is_no_probability_is_our_mistake(confidence: float) -> None:
    with pytest.raises(AssertionError, match="probability"):
        messages.hypothesis(Hypothesis((), confidence, is_final=True))


def test_message_ids_are_unique() -> None:
    made = [
        message
        for _ in range(100)
        for message in (messages.status("ready", "yes"), messages.error("no"))
    ]
    made += [messages.hypothesis(HEARD) for _ in range(100)]
    assert len({parsed(message)["msgId"] for message in made}) == len(made)


def test_ready_to_come_back_says_what_was_received() -> None:
    message_id = messages.new_id()
    content = parsed(messages.ready_to_come_back(message_id, "token", 4096, 2))
    assert content == {
        "status": "ready", "info": "Websocket ready.", "msgId": message_id,
        "session": "token", "audioBytes": 4096, "dones": 2,
    }  # fmt: skip
