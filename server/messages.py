"""The text messages that the server sends: readiness, errors and hypotheses, as JSON.

Pure: every function gives the UTF-8 bytes of one WebSocket text message (with the websockets
library, ``send(message, text=True)``). The forms are lines 4, 5, 8, 9 and 11 of the protocol.
"""

from __future__ import annotations

import uuid
from typing import Final

import orjson

from shm.records import Hypothesis, Word

_CONFIDENCE_DIGITS: Final = 3  # finer than any confidence is meaningful, and short on the wire
_MAX_QUOTED_CHARS: Final = 40


def ready(message_id: str) -> bytes:
    """The first message on a connection: audio is welcome. Its id is the session's, too."""
    return status("ready", "Websocket ready.", message_id)


def ready_to_come_back(message_id: str, token: str, audio_bytes: int, dones: int) -> bytes:
    """The same where the client may come back to its session.

    The session has so many bytes of the client's binary messages, and so many ``done``: what was
    sent after these has not been received.
    """
    return orjson.dumps(
        {
            "status": "ready",
            "info": "Websocket ready.",
            "msgId": message_id,
            "session": token,
            "audioBytes": audio_bytes,
            "dones": dones,
        }
    )


def rate_limited(max_message_bytes: int) -> bytes:
    """The answer to a message larger than this connection's limit."""
    return status("rate_limited", f"The message chunk size must not exceed {max_message_bytes}")


def odd_byte_count(n_bytes: int) -> bytes:
    """The answer to a binary message that does not hold whole 16-bit samples."""
    return error(
        f"The message has {n_bytes} bytes, audio is 16-bit samples: send an even number of bytes"
    )


def engine_fails() -> bytes:
    """To streams whose engine dies again and again: nobody knows when their results will come."""
    return error(
        "The engine cannot be kept running: what was sent is kept, and results come once it runs "
        "again. Go on, or connect to another server"
    )


def engine_lost(why: str) -> bytes:
    """To a stream that cannot go on, through no fault of its client's."""
    return error(
        f"The engine lost this stream ({why}): connect and send what no final covers again"
    )


def unknown_text(text: str, message_id: str | None = None) -> bytes:
    """The answer to a text message that means nothing here."""
    return error(f'Unknown text message {quoted(text)}, the only one is "done"', message_id)


def error(info: str, message_id: str | None = None) -> bytes:
    """Any other mistake or mishap, told in one sentence."""
    return status("error", info, message_id)


def status(name: str, info: str, message_id: str | None = None) -> bytes:
    """The form of every message that is not a hypothesis. Both texts must be valid Unicode."""
    return orjson.dumps({"status": name, "info": info, "msgId": message_id or new_id()})


def hypothesis(heard: Hypothesis, message_id: str | None = None) -> bytes:
    """What was heard of an utterance so far; nothing in a final can change any more."""
    return orjson.dumps(
        {
            "msgId": message_id or new_id(),
            "text": " ".join(word.text for word in heard.words),
            "confidence": _confidence(heard.confidence),
            "isFinal": heard.is_final,
            "words": [_word(word, heard.is_final) for word in heard.words],
        }
    )


def quoted(text: str) -> str:
    """A client's text for use in a message: cut short, and ASCII, since not all of it is valid."""
    shown = text if len(text) <= _MAX_QUOTED_CHARS else text[:_MAX_QUOTED_CHARS] + "..."
    return ascii(shown)


def _word(word: Word, is_final: bool) -> dict[str, str | float | int | bool]:
    return {
        "text": word.text,
        "confidence": _confidence(word.confidence),
        "start": word.start_ms,
        "end": word.end_ms,
        "intermed": not (is_final or word.stable),
    }


def _confidence(confidence: float) -> float:
    rounded = round(confidence, _CONFIDENCE_DIGITS)
    assert 0.0 <= rounded <= 1.0, f"a confidence is a probability, not {confidence}"
    return rounded


def new_id() -> str:
    """A version 4 UUID (RFC 9562): random, so unique over connections, processes and machines.

    The standard library's takes 6 us with its text, next to nothing at a message every 600 ms.
    """
    return str(uuid.uuid4())
