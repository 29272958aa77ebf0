"""realtime_client/messages.py: the form of what a server says."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_client.errors import ProtocolError
from realtime_client.messages import Hypothesis, Notice, Session, Word, parse

WORD = {"text": "hello", "confidence": 0.9, "start": 1000, "end": 1400, "intermed": True}
FIELDS: dict[str, Any] = {
    "msgId": "1", "text": "hello", "confidence": 1, "isFinal": False, "words": [WORD],
}  # fmt: skip


def test_a_hypothesis() -> None:
    word = Word("hello", 0.9, 1000, 1400, is_stable=False)
    assert parse(json.dumps(FIELDS)) == Hypothesis("hello", 1.0, is_final=False, words=(word,))


def test_a_final_without_words() -> None:
    fields = {"msgId": "1", "text": "", "confidence": 0, "isFinal": True, "words": []}
    assert parse(json.dumps(fields)) == Hypothesis("", 0.0, is_final=True, words=())


def test_a_notice() -> None:
    message = json.dumps({"status": "rate_limited", "info": "too much", "msgId": "1"})
    assert parse(message.encode()) == Notice("rate_limited", "too much")


def test_what_it_does_not_know_is_passed_over() -> None:
    assert isinstance(parse(json.dumps(FIELDS | {"speaker": 3})), Hypothesis)


def test_times_are_moved() -> None:
    heard = parse(json.dumps(FIELDS))
    assert isinstance(heard, Hypothesis)
    assert heard.later(0) is heard
    (word,) = heard.later(250).words
    assert (word.start_ms, word.end_ms, word.text) == (1250, 1650, "hello")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"text": 3}, "text must be of type str, not 3"),
        ({"confidence": 1.1}, "confidence must be a number from 0 to 1, not 1.1"),
        ({"confidence": True}, "confidence must be a number from 0 to 1, not True"),
        ({"confidence": "0.5"}, "confidence must be"),
        ({"isFinal": 0}, "isFinal must be of type bool, not 0"),
        ({"words": {}}, "words must be of type list"),
        ({"words": ["hello"]}, "an entry of words is not a JSON object: 'hello'"),
        ({"words": [WORD | {"start": 1.5}]}, "start must be of type int, not 1.5"),
        ({"words": [WORD | {"start": True}]}, "start must be of type int, not True"),
        ({"words": [WORD | {"end": 999}]}, "the end is not before the start"),
        ({"words": [WORD | {"start": -1}]}, "times are not negative"),
        ({"words": [WORD | {"intermed": None}]}, "intermed must be of type bool, not None"),
        ({"status": "error"}, "no field info"),
        ({"status": 1, "info": ""}, "status must be of type str"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ProtocolError, match=named):
        parse(json.dumps(FIELDS | change))


@pytest.mark.parametrize("name", ["text", "confidence", "isFinal", "words"])
def test_a_missing_field_is_named(name: str) -> None:
    fields = {key: value for key, value in FIELDS.items() if key != name}
    with pytest.raises(ProtocolError, match=name):
        parse(json.dumps(fields))


@pytest.mark.parametrize("message", ["", "hello", "[]", "3", b"\xff", "{"])
def test_what_is_no_object(message: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="a message is not"):
        parse(message)


def test_a_long_message_is_quoted_in_part() -> None:
    with pytest.raises(ProtocolError) as error:
        parse("x" * 10_000)
    assert len(str(error.value)) < 200


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["text", "words", "status", "info", "confidence", "isFinal"]), inner),
    max_leaves=10,
))  # fmt: skip
def test_any_json_is_a_message_or_a_protocol_error(value: object) -> None:
    with suppress(ProtocolError):
        parse(json.dumps(value))


def test_a_session_to_come_back_to() -> None:
    ready = {"status": "ready", "info": "", "msgId": "1", "session": "t"}
    assert parse(json.dumps(ready | {"audioBytes": 8, "dones": 1})) == Notice(
        "ready", "", Session("t", 8, 1)
    )
    with pytest.raises(ProtocolError, match="no field audioBytes"):
        parse(json.dumps(ready))
