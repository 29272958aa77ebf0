"""A server of the same contract that recognises nothing, but misbehaves as it is told."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

WORD_MS = 150
"""It hears one word, "word", in every so many milliseconds of audio."""


@dataclass(frozen=True)
class Behaviour:
    """A correct server by default."""

    rate_hz: int = 8000
    partial_every_ms: int = 100
    says_ready: bool = True
    slots: int = 1000
    refusals: int = 0  # so many connections are told to come back, before the first is let in
    retry_after: str = "0"
    loses_finals: bool = False
    repeats_final_text: bool = False
    repeats_final_id: bool = False
    final_delay_s: float = 0.0
    sends_error: bool = False
    sends_nonsense: bool = False
    hears_words: bool = True
    closes_on_done: bool = False
    closes_on_audio: bool = False
    endpoint_after_done: bool = False


class FakeServer:
    """Serves from a thread of its own while the `with` block runs."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.url = ""
        self.requests: list[str] = []
        self.message_bytes: list[int] = []
        self.audio_came = threading.Event()
        self._held = 0
        self._refused = 0
        self._up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    def __enter__(self) -> FakeServer:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._loop.close()

    async def _run(self) -> None:
        self._down = asyncio.Event()
        async with serve(self._talk, "127.0.0.1", 0, process_request=self._admit) as server:
            port = server.sockets[0].getsockname()[1]
            self.url = f"ws://127.0.0.1:{port}"
            self._up.set()
            await self._down.wait()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request.path)
        if self._refused < self.behaviour.refusals:
            self._refused += 1
            response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "later")
            response.headers["Retry-After"] = self.behaviour.retry_after
            return response
        if self._held < self.behaviour.slots:
            self._held += 1
            return None
        body = json.dumps({"status": "full", "info": "all 6 slots are taken", "msgId": "x"})
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, body)

    async def _talk(self, connection: ServerConnection) -> None:
        try:
            await self._hear(connection)
        finally:
            self._held -= 1

    async def _hear(self, connection: ServerConnection) -> None:
        behaviour = self.behaviour
        if behaviour.says_ready:
            await self._notice(connection, "ready", "Websocket ready.")
        begin_ms = heard_ms = told_ms = 0.0
        async for message in connection:
            if isinstance(message, bytes):
                self.audio_came.set()
                if behaviour.closes_on_audio:
                    await connection.close(1013, "later")
                    return
                self.message_bytes.append(len(message))
                heard_ms += len(message) / 2 / behaviour.rate_hz * 1000
                if heard_ms - told_ms >= behaviour.partial_every_ms:
                    told_ms = heard_ms
                    if words := self._words(begin_ms, heard_ms):
                        await connection.send(json.dumps(_hypothesis(words, False)))
            else:
                await self._answer(connection, self._words(begin_ms, heard_ms))
                begin_ms = heard_ms

    async def _answer(self, connection: ServerConnection, words: list[dict[str, Any]]) -> None:
        behaviour = self.behaviour
        if behaviour.sends_error:
            await self._notice(connection, "internal_error", "something broke")
        if behaviour.sends_nonsense:
            await connection.send("{")
        if behaviour.closes_on_done:
            await connection.close(1011, "gone")
            return
        if behaviour.loses_finals:
            return
        if behaviour.endpoint_after_done:
            await connection.send(json.dumps(_hypothesis(words, True)))
            words = []
        await asyncio.sleep(behaviour.final_delay_s)
        final = _hypothesis(words, True)
        await connection.send(json.dumps(final))
        if behaviour.repeats_final_id:
            await connection.send(json.dumps(final))
        if behaviour.repeats_final_text:
            await connection.send(json.dumps(_hypothesis(words, True)))

    def _words(self, begin_ms: float, end_ms: float) -> list[dict[str, Any]]:
        if not self.behaviour.hears_words:
            return []
        count = int((end_ms - begin_ms) // WORD_MS)
        return [
            {
                "text": "word",
                "confidence": 0.9,
                "start": int(begin_ms) + number * WORD_MS,
                "end": int(begin_ms) + (number + 1) * WORD_MS,
                "intermed": True,
            }
            for number in range(count)
        ]

    async def _notice(self, connection: ServerConnection, status: str, info: str) -> None:
        notice = {"status": status, "info": info, "msgId": str(uuid.uuid4())}
        await connection.send(json.dumps(notice))


def _hypothesis(words: list[dict[str, Any]], is_final: bool) -> dict[str, Any]:
    return {
        "msgId": str(uuid.uuid4()),
        "text": " ".join(word["text"] for word in words),
        "confidence": 0.9,
        "isFinal": is_final,
        "words": [{**word, "intermed": not is_final} for word in words],
    }
