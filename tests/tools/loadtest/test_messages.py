from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.loadtest.messages import (
    Hypothesis,
    MalformedMessageError,
    Notice,
    Word,
    parse_message,
)

WORD = {"text": "hello", "confidence": 0.9, "start": 1000, "end": 1400, "intermed": True}
PARTIAL = {"msgId": "1", "text": "hello", "confidence": 0.8, "isFinal": False, "words": [WORD]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from([*PARTIAL, *WORD, "status", "info"]), inner)
    ),
)


def test_a_hypothesis_is_read() -> None:
    words = (Word("hello", 1000, 1400),)
    assert parse_message(json.dumps(PARTIAL)) == Hypothesis("1", "hello", False, words)


def test_a_notice_is_read() -> None:
    raw = '{"status":"ready","info":"Websocket ready.","msgId":"2"}'
    assert parse_message(raw) == Notice("2", "ready", "Websocket ready.")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"msgId": None}, "msgId is not a text"),
        ({"text": 1}, "text is not a text"),
        ({"isFinal": "no"}, "isFinal is not true or false"),
        ({"words": {}}, "words is not a list"),
        ({"words": ["hello"]}, "an entry of words is not an object"),
        ({"words": [{**WORD, "start": True}]}, "start is not a time in milliseconds"),
        ({"words": [{**WORD, "end": -1}]}, "end is not a time in milliseconds"),
        ({"words": [{**WORD, "end": float("nan")}]}, "end is not a time in milliseconds"),
        ({"words": [{**WORD, "end": 10**400}]}, "end is not a time in milliseconds"),
        ({"words": [{**WORD, "end": 999}]}, "a word ends before it starts"),
        ({"status": 5}, "status is not a text"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], why: str) -> None:
    with pytest.raises(MalformedMessageError, match=why):
        parse_message(json.dumps({**PARTIAL, **change}))


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_anything_is_read_or_refused(raw: str | bytes) -> None:
    with contextlib.suppress(MalformedMessageError):
        assert isinstance(parse_message(raw), Hypothesis | Notice)


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(MalformedMessageError, match="not JSON"):
        parse_message("[" * 1_000_000)
