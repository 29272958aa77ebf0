"""Servers of other protocols that recognise nothing: a word for every 150 ms of audio.

What they say, and when, follows the servers' own sources: vosk-server's ``asr_server.py`` and
sherpa-onnx's ``online-websocket-server``.
"""

from __future__ import annotations

import json

import numpy as np
from websockets.asyncio.server import ServerConnection

from tests.tools.loadtest.fake_server import WORD_MS, Behaviour, FakeServer

RATE_HZ = 16_000
ENDPOINT_MS = 900
"""Both call an endpoint after so much audio, then begin anew."""


class FakeVosk(FakeServer):
    """One answer to each message; ends the connection after eof."""

    def __init__(self, *, answers_eof: bool = True) -> None:
        super().__init__(Behaviour())
        self.answers_eof = answers_eof
        self.configs: list[dict[str, object]] = []

    async def _hear(self, connection: ServerConnection) -> None:
        heard_ms, rate_hz = 0.0, 8000
        async for message in connection:
            if isinstance(message, str) and "config" in message:
                self.configs.append(json.loads(message)["config"])
                rate_hz = int(self.configs[-1]["sample_rate"])  # type: ignore[call-overload]
            elif message == '{"eof" : 1}':
                if self.answers_eof:
                    await connection.send(json.dumps(_result(heard_ms)))
                return
            else:
                assert isinstance(message, bytes)
                self.message_bytes.append(len(message))
                heard_ms += len(message) / 2 / rate_hz * 1000
                if heard_ms >= ENDPOINT_MS:
                    await connection.send(json.dumps(_result(heard_ms)))
                    heard_ms = 0.0
                else:
                    await connection.send(json.dumps({"partial": _words(heard_ms)}))


class FakeSherpaOnnx(FakeServer):
    """An answer after each decoding, the last one followed by ``Done!``; it stays connected."""

    def __init__(self, *, has_tail: bool = True, in_order: bool = True) -> None:
        """Without a tail nothing is left to decode when all audio has been sent. Out of order, the
        goodbye overtakes the last answer."""
        super().__init__(Behaviour())
        self.has_tail = has_tail
        self.in_order = in_order
        self.loudest = 0.0

    async def _hear(self, connection: ServerConnection) -> None:
        heard_ms, segment = 0.0, 0
        async for message in connection:
            if isinstance(message, bytes):
                samples = np.frombuffer(message, "<f4")
                self.message_bytes.append(len(message))
                self.loudest = max(self.loudest, float(np.abs(samples).max()))
                heard_ms += samples.size / RATE_HZ * 1000
                is_final = heard_ms >= ENDPOINT_MS
                await connection.send(json.dumps(_decoded(heard_ms, segment, is_final)))
                if is_final:
                    heard_ms, segment = 0.0, segment + 1
            elif message == "Done":
                said = ["Done!"]
                if self.has_tail:
                    last = _decoded(heard_ms, segment, True) | {"is_eof": True}
                    said.insert(0 if self.in_order else 1, json.dumps(last))
                for text in said:
                    await connection.send(text)


def _words(heard_ms: float) -> str:
    return " ".join(["word"] * int(heard_ms // WORD_MS))


def _result(heard_ms: float) -> dict[str, object]:
    words = _words(heard_ms).split()
    listed = [
        {"conf": 1.0, "start": 0.15 * number, "end": 0.15 * (number + 1), "word": word}
        for number, word in enumerate(words)
    ]
    return {"result": listed, "text": " ".join(words)} if words else {"text": ""}


def _decoded(heard_ms: float, segment: int, is_final: bool) -> dict[str, object]:
    words = _words(heard_ms)
    return {
        "text": f" {words.upper()}",
        "tokens": [f" {word}" for word in words.upper().split()],
        "timestamps": [0.15 * number for number in range(len(words.split()))],
        "segment": segment,
        "start_time": 0.0,
        "is_final": is_final,
        "is_eof": False,
    }
