"""A TCP line to a server that breaks when it is told to, and mends."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from tests.conformance.server_process import HOST
from tests.conformance.waiting import PATIENCE_S

_READ_BYTES = 65_536


class BreakingLine:
    """A proxy in a thread of its own while the ``with`` block runs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self.is_broken = False

    def __enter__(self) -> BreakingLine:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, HOST, 0))
        self.url = f"ws://{HOST}:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.break_()
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)

    def break_(self) -> None:
        """All connections are gone, and new ones are refused at once."""
        self._run(self._break())

    def mend(self) -> None:
        """New connections go through."""
        self.is_broken = False

    async def _break(self) -> None:
        self.is_broken = True
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_broken:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(HOST, self._port)
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}
            writer.close()
            far_writer.close()

    def _run(self, coroutine):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        pass  # it is broken
