"""A TCP proxy in front of a server whose connections break after so many bytes from the client."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

_READ_BYTES = 4096


class CuttingProxy:
    """Each connection is cut after the next of ``limits`` bytes; when those are used up, none."""

    def __init__(self, port: int, limits: list[int]) -> None:
        self._port = port
        self._limits = list(limits)
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
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

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        limit = self._limits.pop(0) if self._limits else None
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._pass(far_reader, writer, None))
        try:
            await self._pass(reader, far_writer, limit)
            if limit is None:
                await back
        finally:
            back.cancel()
            writer.transport.abort()
            far_writer.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None
    ) -> None:
        """Bytes from one side to the other, until there are no more or the line is cut."""
        passed = 0
        try:
            while limit is None or passed < limit:
                data = await reader.read(_READ_BYTES)
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
                passed += len(data)
        except OSError:
            pass  # one side is gone, and the other will be
