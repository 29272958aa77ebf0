"""What servers of other kinds want to hear and how they answer, put into our terms. Pure.

    ours         this contract: `ready`, PCM, `done`, and the connection goes on
    vosk         vosk-server: a JSON configuration, PCM, the text `{"eof" : 1}`; one JSON answer to
                 each message, a `partial` or, at an endpoint and for eof, a `text`
    sherpa-onnx  its online WebSocket server: float32 samples, the text `Done`; a JSON answer after
                 each decoding, `is_final` at endpoints; `Done!` when all has been said, which may
                 overtake the last answer by a moment, as they go out by different threads

The others end the connection with the utterance that was asked for, so each clip gets a connection
of its own. They do not say when a partial's words were spoken, so no lag can be measured; a partial
that says nothing, or what the one before said, is no answer.

An object is one connection. It is told of everything that is sent, in order.
"""

from __future__ import annotations

import json
from typing import Final, Protocol

import numpy as np

from tools.loadtest.messages import (
    Hypothesis,
    MalformedMessageError,
    Message,
    Notice,
    parse_message,
    read_object,
    text_of,
)

DONE: Final = "done"


class Dialect(Protocol):
    """One connection's language.

    ``says_ready`` tells whether the server speaks first, ``one_turn`` whether the connection is
    over with its first utterance, ``is_over`` whether it is.
    """

    says_ready: bool
    one_turn: bool
    is_over: bool

    def opening(self, rate_hz: int) -> str | None:
        """What to send before any audio."""
        ...

    def audio(self, pcm: bytes) -> bytes:
        """16-bit little-endian samples as the server wants them."""
        ...

    def done(self) -> str:
        """What asks for the final."""
        ...

    def read(self, raw: str | bytes) -> Message | None:
        """What a message means; None where it is no news.

        Raises:
            MalformedMessageError: it is none of the protocol's.
        """
        ...

    def last_said(self) -> Message | None:
        """The final of a connection that is over and had none."""
        ...


class Ours:
    """The contract of this repository."""

    says_ready = True
    one_turn = False
    is_over = False

    def opening(self, rate_hz: int) -> str | None:  # noqa: ARG002 - the URL says it
        return None

    def audio(self, pcm: bytes) -> bytes:
        return pcm

    def done(self) -> str:
        return DONE

    def read(self, raw: str | bytes) -> Message | None:
        return parse_message(raw)

    def last_said(self) -> Message | None:
        return None


class Vosk:
    """vosk-server's WebSocket server, as its Python version speaks."""

    says_ready = False
    one_turn = True

    def __init__(self) -> None:
        self.is_over = False
        self._unanswered = 0
        self._asked = False
        self._partial = ""

    def opening(self, rate_hz: int) -> str | None:
        config = {"sample_rate": rate_hz, "words": True, "max_alternatives": 0}
        return json.dumps({"config": config})

    def audio(self, pcm: bytes) -> bytes:
        self._unanswered += 1
        return pcm

    def done(self) -> str:
        self._unanswered += 1
        self._asked = True
        return '{"eof" : 1}'  # letter for letter: the server compares the text

    def read(self, raw: str | bytes) -> Message | None:
        fields = read_object(raw)
        if self._unanswered == 0:
            raise MalformedMessageError("an answer to nothing")
        self._unanswered -= 1
        self.is_over = self._asked and self._unanswered == 0
        if "text" in fields:
            self._partial = ""
            text = text_of(fields, "text")
            return untimed(text, is_final=True) if text or self.is_over else None
        text = text_of(fields, "partial")
        if self.is_over:
            raise MalformedMessageError("eof was answered with a partial")
        is_news = bool(text) and text != self._partial
        self._partial = text
        return untimed(text, is_final=False) if is_news else None

    def last_said(self) -> Message | None:
        return None  # its last answer is the final


class SherpaOnnx:
    """sherpa-onnx-online-websocket-server."""

    says_ready = False
    one_turn = True

    def __init__(self) -> None:
        self.is_over = False
        self._partial = ""

    def opening(self, rate_hz: int) -> str | None:  # noqa: ARG002 - the server is told when started
        return None

    def audio(self, pcm: bytes) -> bytes:
        return (np.frombuffer(pcm, "<i2").astype("<f4") / 32768).tobytes()

    def done(self) -> str:
        return "Done"

    def read(self, raw: str | bytes) -> Message | None:
        if raw == "Done!":
            self.is_over = True
            return None
        fields = read_object(raw)
        text = text_of(fields, "text").strip()
        is_final = fields.get("is_final", False)
        if not isinstance(is_final, bool):
            raise MalformedMessageError("is_final is not true or false")
        is_news = bool(text) and (is_final or text != self._partial)
        self._partial = "" if is_final else text
        return untimed(text, is_final=is_final) if is_news else None

    def last_said(self) -> Message | None:
        return untimed(self._partial, is_final=True)  # nothing was left to decode


DIALECTS: Final[dict[str, type[Ours] | type[Vosk] | type[SherpaOnnx]]] = {
    "ours": Ours,
    "vosk": Vosk,
    "sherpa-onnx": SherpaOnnx,
}
DEFAULT_URLS: Final = {
    "ours": "ws://localhost:4444",
    "vosk": "ws://localhost:2700",
    "sherpa-onnx": "ws://localhost:6006",
}
READY: Final = Notice("", "ready", "")
"""For servers that do not say it: they are once the connection is open."""


def untimed(text: str, *, is_final: bool) -> Hypothesis:
    """A hypothesis without a name and without times."""
    return Hypothesis("", text, is_final, (), timed=False)
