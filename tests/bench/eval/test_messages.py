"""Messages of the protocol as the evaluation reads them."""

from __future__ import annotations

import json

import pytest

from bench.eval.errors import EvalError
from bench.eval.messages import Word, parse, text_of, words_of

RAW = json.dumps(
    {
        "msgId": "1",
        "text": "hello",
        "confidence": 0.8,
        "isFinal": True,
        "words": [{"text": "hello", "confidence": 0.7, "start": 10, "end": 300, "intermed": False}],
    }
)


def test_a_hypothesis() -> None:
    found = parse(RAW, 512.0, 600.0)
    assert found.words == (Word("hello", 0.7, 10, 300, True),)
    assert (found.text, found.is_final, found.sent_ms, found.arrived_ms) == (
        "hello", True, 512.0, 600.0,
    )  # fmt: skip


def test_only_finals_are_joined() -> None:
    final, empty = parse(RAW, 0, 0), parse(RAW.replace('"hello"', '""'), 0, 0)
    partial = parse(RAW.replace("true", "false", 1), 0, 0)
    assert text_of([partial, final, empty, final]) == "hello hello"
    assert len(words_of([partial, final])) == 1


def test_any_other_message_ends_the_evaluation() -> None:
    with pytest.raises(EvalError, match="the server says error: what went wrong"):
        parse('{"status": "error", "info": "what went wrong", "msgId": "1"}', 0, 0)
