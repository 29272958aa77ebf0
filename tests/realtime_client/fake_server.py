"""A server of the same contract that hears nothing, and does on each connection as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Request, Response

PATIENCE_S = 20
A_WHILE_S = 0.2
"""Only for what must not come: on a slow machine it comes later, and the test sees less."""


class Line:
    """The server's end of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self.messages: list[bytes | str] = []
        self._pongs: list[bytes] = []

    @property
    def audio(self) -> bytes:
        """All audio that has come."""
        return b"".join(message for message in self.messages if isinstance(message, bytes))

    async def say(self, message: dict[str, Any] | str | bytes) -> None:
        text = json.dumps(message) if isinstance(message, dict) else message
        await self._connection.send(text)

    async def until_audio(self, n_bytes: int) -> None:
        """Reads until so much audio has come."""
        while len(self.audio) < n_bytes:
            await self.read()

    async def until_done(self) -> None:
        while "done" not in self.messages:
            await self.read()

    async def read(self) -> None:
        """One message."""
        self.messages.append(await self._connection.recv())

    async def read_if_it_comes(self) -> bool:
        """One message, unless none comes for a while."""
        try:
            async with asyncio.timeout(A_WHILE_S):
                await self.read()
        except TimeoutError:
            return False
        return True

    def hold_pongs(self) -> None:
        """Pings stay unanswered, as by a server that has stopped reading."""
        send_frame = self._connection.protocol.send_frame

        def hold(frame: Frame) -> None:
            if frame.opcode is Opcode.PONG:
                self._pongs.append(bytes(frame.data))
            else:
                send_frame(frame)

        self._connection.protocol.send_frame = hold

    async def release_pongs(self) -> None:
        """They are answered, from now on and those before."""
        del self._connection.protocol.send_frame
        for data in self._pongs:
            await self._connection.pong(data)

    async def until_closed(self) -> None:
        """Reads everything there is; the library answers the close itself."""
        async for message in self._connection:
            self.messages.append(message)

    def answer_closing_with(self, code: int) -> None:
        """The client's close is answered with this code."""
        protocol = self._connection.protocol
        send_frame = protocol.send_frame

        def change(frame: Frame) -> None:
            if frame.opcode is Opcode.CLOSE:
                frame = Frame(Opcode.CLOSE, Close(CloseCode(code), "").serialize())
            send_frame(frame)

        protocol.send_frame = change

    @property
    def close_code(self) -> int | None:
        """Of the client's close frame."""
        received = self._connection.protocol.close_rcvd
        return None if received is None else received.code

    async def close(self, code: int) -> None:
        await self._connection.close(code)

    def drop(self) -> None:
        """The connection is gone, without a goodbye."""
        self._connection.transport.abort()


Script = Callable[[Line], Awaitable[None]]


@dataclass(frozen=True)
class Refusal:
    """A connection that is not made."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class FakeServer:
    """Each connection in turn gets what is written for it; after the last, 410."""

    def __init__(self, *plan: Script | Refusal, says_ready: bool = True) -> None:
        self._plan = list(plan)
        self._says_ready = says_ready
        self.targets: list[str] = []
        self.lines: list[Line] = []
        self.failures: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._admit, max_queue=None
        )
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()
        assert not self.failures, self.failures

    def _admit(self, _connection: ServerConnection, request: Request) -> Response | None:
        self.targets.append(request.path)
        step = self._plan[0] if self._plan else Refusal(410)
        if not isinstance(step, Refusal):
            return None
        del self._plan[:1]
        headers = Headers({**step.headers, "Content-Length": str(len(step.body))})
        return Response(step.status, HTTPStatus(step.status).phrase, headers, step.body)

    async def _serve(self, connection: ServerConnection) -> None:
        script = self._plan.pop(0)
        assert not isinstance(script, Refusal)
        line = Line(connection)
        self.lines.append(line)
        try:
            if self._says_ready:
                await line.say(status("ready", "Websocket ready."))
            await script(line)
        except AssertionError as failure:
            self.failures.append(failure)


def status(name: str, info: str) -> dict[str, Any]:
    return {"status": name, "info": info, "msgId": "1"}


def hypothesis(
    text: str, start_ms: int = 0, word_ms: int = 100, *, is_final: bool = True
) -> dict[str, Any]:
    """Its words follow each other without a pause."""
    words = [
        {
            "text": word,
            "confidence": 0.5,
            "start": start_ms + word_ms * number,
            "end": start_ms + word_ms * (number + 1),
            "intermed": not is_final,
        }
        for number, word in enumerate(text.split())
    ]
    return {
        "msgId": "1", "text": text, "confidence": 0.5, "isFinal": is_final, "words": words,
    }  # fmt: skip


async def until_closed(line: Line) -> None:
    """A script: takes everything and says nothing."""
    await line.until_closed()


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Runs a test's coroutine; what hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test()

    asyncio.run(bounded())
