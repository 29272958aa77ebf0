"""A frontend process: ``python -m server.frontend JSON``. WebSocket connections on one event loop.

It accepts on the listening socket that the supervisor bound and shares with its siblings, writes
the frontend lines, marks and audio rings of the slots that it holds, and is woken by its doorbell
when a decoder has written a result.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from typing import Final

import uvloop

from server import messages
from server.admission import Admission, FrontendFigures, capacity_of
from server.api_keys import ApiKeysError
from server.connection import Connection
from server.doorway import Doorway
from server.frontend_settings import ClientSettings, FrontendSettings
from server.lobby import Lobby
from server.moving import Moving
from server.operator_pages import OperatorPages
from server.read_files import ReadFiles
from server.site import Site, console_pages
from server.tls import TlsError
from shm.child import Child, run_child
from shm.process_line import ProcessLine
from shm.slot_pool import SlotPool
from shm.wishes import Wishes

HEARTBEAT_S: Final = 1.0
ROOM_POLL_S: Final = 0.02
"""How soon a paused client is looked at again: no doorbell rings when a commit frees room."""
NO_ROOM_POLL_S: Final = 0.2
"""The same while nobody waits. One that does by then has 10 s of audio in the engine."""
DRAIN_TIMEOUT_S: Final = 8.0
LET_IN_S: Final = 1.0
"""How long connections that this process has accepted may take for their requests, once another
server accepts in its place."""


log = logging.getLogger("realtime_engine.frontend")


class Frontend:
    """The connections of one process and what wakes them."""

    def __init__(
        self,
        child: Child,
        line: ProcessLine,
        loop: asyncio.AbstractEventLoop,
        files: ReadFiles,
        clients: ClientSettings,
    ) -> None:
        self._line = line
        self._loop = loop
        self._bell = child.bells.frontends[child.index]
        self._files = files
        rate_hz = child.plane.geometry.sample_rate_hz
        admission = Admission(
            child.plane,
            SlotPool(child.plane, child.bells, child.index),
            FrontendFigures(child.plane, child.index),
            capacity_of(child.plane),
        )
        wishes = Wishes(child.plane, child.bells, child.index)
        moving = Moving(admission, wishes, rate_hz)
        self._doorway = Doorway(admission, rate_hz, files.keys, clients, moving)
        self._operator_pages = OperatorPages(
            child.plane, api_key_needed=lambda: self._doorway.keys.needed
        )
        self._connections: set[Connection] = set()
        self._lobby = Lobby()
        self._plane = child.plane
        self._was_failing = False
        self._stopping = asyncio.Event()
        self._succeeded = False
        self._orphaned = False
        self._draining = False
        self._empty = asyncio.Event()
        loop.add_reader(self._bell.fd, self._on_bell)
        loop.add_reader(child.lifeline_fd, self._on_orphaned, child.lifeline_fd)
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGUSR1, self._on_succeeded)
        loop.add_signal_handler(signal.SIGHUP, self._read_again)

    async def serve(self, listener: socket.socket, operators: socket.socket | None) -> None:
        """Accepts until told to stop; then finalises every stream, within a time-out.

        Operators that have no socket of their own find their pages on the clients' one.
        """
        found = self._doorway.find(self._loop.time())
        if found:
            log.warning("%d sessions of a frontend that died wait for their clients", found)
        tls = self._files.tls
        pages = self._operator_pages
        everything = Site(console_pages() | pages.all())
        site = Site(console_pages(public=True) | pages.public()) if operators else everything
        servers = [
            await self._loop.create_server(
                lambda: self._connection(site),
                sock=listener,
                ssl=tls,
                ssl_handshake_timeout=self._doorway.settings.handshake_timeout_s if tls else None,
            )
        ]
        if operators is not None:
            servers.append(
                await self._loop.create_server(lambda: self._connection(everything), sock=operators)
            )
        self._beat()
        self._look_for_room()
        gc.collect()
        gc.freeze()
        self._line.ready()
        await self._stopping.wait()
        for server in servers:
            server.close()
        if self._succeeded:
            await self._let_in(slow=tls is not None)
        if not self._orphaned:
            await self._drain()

    def _on_succeeded(self) -> None:
        """Another server accepts on the same sockets: what this one has accepted it must serve."""
        self._succeeded = True
        self._stopping.set()

    async def _let_in(self, *, slow: bool) -> None:
        """Waits for the requests of connections that had been accepted, `LET_IN_S` at most.

        With TLS (``slow``) always as long: a connection is unknown here before its TLS is done.
        """
        for _ in range(round(LET_IN_S / ROOM_POLL_S)):
            await asyncio.sleep(ROOM_POLL_S)
            if not (slow or any(connection.awaits_request for connection in self._connections)):
                return

    def _on_orphaned(self, lifeline_fd: int) -> None:
        """The supervisor died. Worker and decoders end as well, so no final is left to wait for."""
        self._loop.remove_reader(lifeline_fd)  # it stays readable
        self._orphaned = True
        self._stopping.set()

    def _read_again(self) -> None:
        """Keys and certificate as their files are now; those of before, if these cannot be used."""
        self._files.read_again()
        self._doorway.keys = self._files.keys

    def _connection(self, site: Site) -> Connection:
        return Connection(
            self._doorway, site, self._loop, self._on_closed, self._lobby, self._on_made
        )

    def _on_made(self, connection: Connection) -> None:
        """Of one whose TLS handshake took until after the end, nothing more is heard."""
        self._connections.add(connection)
        if self._draining:
            connection.go_away()

    def _on_closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._stopping.is_set() and not self._connections:
            self._empty.set()

    async def _drain(self) -> None:
        """Utterances may end by themselves for a while; then they are finalised as they are."""
        self._draining = True
        self._doorway.close()
        for connection in list(self._connections):
            connection.wind_down()
        await self._until_empty(self._doorway.settings.drain_s)
        for connection in list(self._connections):
            connection.go_away()
        await self._until_empty(DRAIN_TIMEOUT_S)

    async def _until_empty(self, timeout_s: float) -> None:
        self._empty.clear()
        if self._connections and timeout_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), timeout_s)

    def _on_bell(self) -> None:
        self._bell.clear()
        for connection in list(self._connections):
            connection.pump()
        self._doorway.pump(self._loop.time())

    def _beat(self) -> None:
        self._loop.call_later(HEARTBEAT_S, self._beat)
        self._line.beat()
        self._doorway.look_at_the_clock(self._loop.time())
        if self._plane.failing and not self._was_failing:
            for connection in list(self._connections):
                connection.tell(messages.engine_fails())
        self._was_failing = self._plane.failing
        for connection in list(self._connections):
            connection.look_at_the_clock()
        self._on_bell()  # a missed ring costs at most a heartbeat

    def _look_for_room(self) -> None:
        waiting = [connection for connection in self._connections if connection.waits_for_room]
        for connection in waiting:
            connection.pump()
        alone = self._doorway.pump(self._loop.time())
        soon = bool(waiting) or alone
        self._loop.call_later(ROOM_POLL_S if soon else NO_ROOM_POLL_S, self._look_for_room)


def main(child: Child) -> None:
    """Runs the event loop of one frontend until SIGTERM or the supervisor's death."""
    settings = FrontendSettings.of(child.settings)
    line = ProcessLine(child.plane, child.plane.layout.frontend_process(child.index))
    line.announce(child.generation)
    files = ReadFiles(settings)
    listener = socket.socket(fileno=settings.listen_fd)
    operators = None
    if settings.operator_fd is not None:
        operators = socket.socket(fileno=settings.operator_fd)

    async def serve() -> None:
        frontend = Frontend(child, line, asyncio.get_running_loop(), files, settings.clients)
        await frontend.serve(listener, operators)

    uvloop.run(serve())


if __name__ == "__main__":
    run_child(main, (TlsError, ApiKeysError))
