"""A model server's listener: ``python -m server.tiers.listener JSON``. In place of a frontend.

It accepts the links of WebSocket servers and gives their streams slots of the plane, which it
claims and writes as a frontend does. Pages for operators are on a socket of their own, if there is
one. On SIGTERM it tells every link that it is going away, and waits until their streams are gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import signal
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

import uvloop

from server.admission import Admission, FrontendFigures, MeasuredSlot, NoSlotError
from server.api_keys import ApiKeys
from server.connection import Connection
from server.doorway import Doorway
from server.frontend_settings import EVERYBODY
from server.lobby import Lobby
from server.operator_pages import OperatorPages
from server.site import Site
from server.tiers.channel import Channel, ChannelError
from server.tiers.connection import PeerConnection
from server.tiers.frames import NONCE_BYTES, SERVER_ID_BYTES, Drain, Frame, Welcome
from server.tiers.greeting import ServerGreeting, offer
from server.tiers.hosting import Hosting
from server.tiers.keys import KeyFileError, load_key
from server.tiers.settings import ListenerSettings
from server.tls import Certificate, TlsError
from shm.child import Child, run_child
from shm.figures import Counter
from shm.process_line import ProcessLine
from shm.slot_pool import SlotPool

TICK_S: Final = 0.02
"""How soon more audio is asked for: no doorbell rings when some has been computed."""
HEARTBEAT_TICKS: Final = 10
DRAIN_TIMEOUT_S: Final = 8.0
MAX_GREETING: Final = 64
"""Connections that have not greeted yet; more are closed as they come."""

log = logging.getLogger("realtime_engine.listener")


class Listener:
    """The links of one model server."""

    def __init__(self, child: Child, settings: ListenerSettings, line: ProcessLine) -> None:
        self._loop = asyncio.get_running_loop()
        self._line = line
        self._key = load_key(settings.key_path, os.environ)
        self._server_id = secrets.token_bytes(SERVER_ID_BYTES)
        self._geometry = child.plane.geometry
        self._pool = SlotPool(child.plane, child.bells, child.index)
        for left_open in self._pool.find():
            self._pool.release(left_open)  # its link connects anew, and sends again
        self.admission = Admission(
            child.plane, self._pool, FrontendFigures(child.plane, child.index)
        )
        self._lobby = Lobby()
        self._pages = Site(OperatorPages(child.plane).all())
        self._bell = child.bells.frontends[child.index]
        self._guests: set[Guest] = set()
        self._stopping = asyncio.Event()
        self._empty = asyncio.Event()
        self._orphaned = False
        self._ticks = 0
        self._loop.add_reader(self._bell.fd, self._on_bell)
        self._loop.add_reader(child.lifeline_fd, self._on_orphaned, child.lifeline_fd)
        self._loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        self._loop.add_signal_handler(signal.SIGUSR1, self._stopping.set)  # it has a successor

    async def serve(
        self,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        operators: socket.socket | None,
    ) -> None:
        """Accepts until told to stop; then sends every stream away."""
        servers = [
            await self._loop.create_server(
                self._guest,
                sock=listening,
                ssl=tls,
                ssl_handshake_timeout=EVERYBODY.handshake_timeout_s if tls else None,
            )
        ]
        if operators is not None:
            servers.append(await self._loop.create_server(self._page, sock=operators))
        self._tick()
        gc.collect()
        gc.freeze()
        self._line.ready()
        await self._stopping.wait()
        servers[0].close()
        if not self._orphaned:
            await self._drain()

    @property
    def free(self) -> int:
        """Slots that nobody holds."""
        return 0 if self._stopping.is_set() else self._geometry.slots - self._pool.held

    @property
    def takes_more(self) -> bool:
        """Whether streams are taken in."""
        return not self._stopping.is_set()

    def offer(self) -> Welcome:
        """What a link is told first."""
        geometry = self._geometry
        return offer(self._server_id, geometry.sample_rate_hz, geometry.slots, self.free)

    def pump(self) -> None:
        """Sends every link what there is for it."""
        for guest in list(self._guests):
            guest.pump()
        if self._stopping.is_set() and self._pool.held == 0:
            self._empty.set()

    def forget(self, guest: Guest) -> None:
        """Its connection is over."""
        self._guests.discard(guest)
        self.pump()

    @property
    def greeting(self) -> int:
        """Connections that have not greeted yet."""
        return sum(not guest.connection.channel.is_open for guest in self._guests)

    def _guest(self) -> PeerConnection:
        guest = Guest(self)
        greeting = ServerGreeting(self._key, secrets.token_bytes(NONCE_BYTES), self.offer)
        guest.connection = PeerConnection(Channel(greeting, time.monotonic()), guest, self._loop)
        if self.greeting >= MAX_GREETING:
            guest.connection.error = ChannelError(f"{MAX_GREETING} others have not greeted yet")
        self._guests.add(guest)
        return guest.connection

    def _page(self) -> Connection:
        nobody = Doorway(Nobody(), self._geometry.sample_rate_hz, ApiKeys())
        return Connection(nobody, self._pages, self._loop, lambda _: None, self._lobby)

    async def _drain(self) -> None:
        for guest in list(self._guests):
            guest.connection.channel.send(Drain())
            guest.connection.flush()
        self.pump()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), DRAIN_TIMEOUT_S)

    def _on_bell(self) -> None:
        self._bell.clear()
        self.pump()

    def _tick(self) -> None:
        self._loop.call_later(TICK_S, self._tick)
        self._ticks += 1
        if self._ticks % HEARTBEAT_TICKS == 0:
            self._line.beat()
            for guest in list(self._guests):
                guest.connection.tick()
        self.pump()

    def _on_orphaned(self, lifeline_fd: int) -> None:
        self._loop.remove_reader(lifeline_fd)  # it stays readable
        self._orphaned = True
        self._stopping.set()


class Guest:
    """One link and its streams."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._hosting: Hosting | None = None
        self.connection: PeerConnection

    def on_open(self, connection: PeerConnection) -> None:
        log.info("%s: a WebSocket server is connected", connection.peer)
        self._hosting = Hosting(
            self._listener.admission,
            self._listener.free,
            connection.channel.send,
            lambda: connection.can_send,
        )

    def on_frame(self, frame: Frame) -> None:
        assert self._hosting is not None, "frames follow the greeting"
        self._hosting.receive(frame, takes_more=self._listener.takes_more)

    def on_received(self) -> None:
        self._listener.pump()

    def on_closed(self, error: ChannelError | None) -> None:
        if self._hosting is not None:
            self._hosting.close()
            log.info("%s: a WebSocket server has gone", self.connection.peer)
        self._hosting, was_open = None, self._hosting is not None
        if error is not None:
            # Who only knocks, as balancers do to see whether somebody listens, is nobody's fault.
            knocked = not was_open and not error.lasting
            level = logging.DEBUG if knocked else logging.WARNING
            log.log(level, "%s: closed a connection: %s", self.connection.peer, error)
        self._listener.forget(self)

    def pump(self) -> None:
        """Sends what there is for this link."""
        if self._hosting is not None and not self.connection.is_closing:
            try:
                self._hosting.pump(self._listener.free)
            except ChannelError as error:
                self.connection.fail(error)
                return
            self.connection.flush()


class Nobody:
    """Lets nobody in: the pages for operators are no place for streams."""

    def claim(self, *, make_room: Callable[[], bool]) -> MeasuredSlot:  # noqa: ARG002
        """Raises `NoSlotError`."""
        raise NoSlotError("This is a model server: connect to a WebSocket server.")

    def refuse(self, reason: str) -> None:
        """Counts nothing."""

    def count(self, counter: Counter) -> None:
        """Counts nothing."""

    def release(self, slot: MeasuredSlot) -> None:
        """Is never called."""

    def look_at_the_clock(self) -> None:
        """Nobody is there who could fall behind."""


def read_again(certificate: Certificate) -> None:
    """The certificate as its files are now; what it was, if they cannot be used."""
    try:
        certificate.read_again()
    except TlsError as error:
        log.error("the certificate stays as it was: %s", error)
    else:
        log.warning("the certificate was read again")


def main(child: Child) -> None:
    """Runs the event loop of the listener until SIGTERM or the supervisor's death."""
    settings = ListenerSettings(**child.settings)
    line = ProcessLine(child.plane, child.plane.layout.frontend_process(child.index))
    line.announce(child.generation)
    certificate = Certificate(settings.ssl_cert, settings.ssl_key)
    listening = socket.socket(fileno=settings.listen_fd)
    operators = None
    if settings.operator_fd is not None:
        operators = socket.socket(fileno=settings.operator_fd)

    async def serve() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, read_again, certificate)
        await Listener(child, settings, line).serve(listening, certificate.context, operators)

    uvloop.run(serve())


if __name__ == "__main__":
    run_child(main, (TlsError, KeyFileError))
