"""Keeps a link connected: looks up names, connects, and tries again with patience.

Every address that a name of the list stands for is a model server of its own. What becomes of each
is logged when it changes and not at every attempt. What may pass by itself (nobody listens, no such
name) is tried again after half a second, then less and less often; what somebody has to put right
(key, version, certificate, model) seldom from the start.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

from server.tiers.channel import Channel, ChannelError
from server.tiers.config import Host
from server.tiers.connection import PeerConnection
from server.tiers.frames import NONCE_BYTES, Frame, Welcome
from server.tiers.greeting import LinkGreeting
from server.tiers.link import Link, ModelServer
from server.tiers.linked_engine import LINK_RATE_HZ

CONNECT_TIMEOUT_S: Final = 5.0
RESOLVE_S: Final = 5.0
"""How often a name is looked up again."""
BACK_OFF_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)

log = logging.getLogger("realtime_engine.link")


class Visits:
    """The connections of one link. Everything here runs on one event loop."""

    def __init__(
        self, link: Link, key: bytes, tls: ssl.SSLContext | None, pump: Callable[[], None]
    ) -> None:
        """``pump`` is called whenever frames have come or a server has come or gone."""
        self.link = link
        self.key = key
        self.tls = tls
        self.pump = pump
        self.open: set[Visit] = set()

    async def run(self, hosts: list[Host]) -> None:
        """Visits all ``hosts``, first choice first, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for rank, host in enumerate(hosts):
                group.create_task(self._look_up(group, rank, host))

    def tick(self) -> None:
        """To be called several times per second."""
        for visit in list(self.open):
            visit.connection.tick()

    def flush(self) -> None:
        """Writes what the link has put into the channels."""
        for visit in self.open:
            visit.connection.flush()

    async def _look_up(self, group: asyncio.TaskGroup, rank: int, host: Host) -> None:
        """A task for each address, for as long as the name stands for it."""
        state = State(str(host))
        tasks: dict[str, asyncio.Task[None]] = {}
        known: set[str] = set()
        while True:
            try:
                known.clear()
                known.update(await _addresses(host))
            except OSError as error:
                state.bad(
                    f"its address cannot be found ({error.strerror or error}): is the name right?"
                )
            else:
                state.good("its address is known", quietly=True)
                tasks = {address: task for address, task in tasks.items() if not task.done()}
                for address in sorted(known - set(tasks)):
                    name = str(host) if known == {host.name} else f"{host} ({address})"
                    visitor = Visitor(self, rank, host, address, State(name))
                    tasks[address] = group.create_task(visitor.run(known))
            await asyncio.sleep(RESOLVE_S)


class State:
    """What is known of a model server, told to the log when it changes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._complaint: str | None = None

    def good(self, message: str, *, quietly: bool = False) -> None:
        """At the level at which it was said to be bad; at INFO, or not at all, if it was not."""
        if self._complaint is not None:
            self._log(logging.WARNING, message)
        elif not quietly:
            self._log(logging.INFO, message)
        self._complaint = None

    def bad(self, message: str) -> None:
        """At WARNING, once."""
        if message != self._complaint:
            self._log(logging.WARNING, message)
        self._complaint = message

    def _log(self, level: int, message: str) -> None:
        log.log(level, "model server %s: %s", self._name, message)


class Visitor:
    """One address of a model server, visited again and again."""

    def __init__(self, visits: Visits, rank: int, host: Host, address: str, state: State) -> None:
        self._visits = visits
        self._rank = rank
        self._host = host
        self._address = address
        self._state = state

    async def run(self, known: set[str]) -> None:
        """Until its name does not stand for the address any more, and nobody answers there."""
        failures = 0
        while True:
            visit = Visit(self._visits, self._rank, self._state)
            try:
                await visit.connect(self._host, self._address)
                await visit.closed.wait()
            except (OSError, TimeoutError) as error:
                visit.error = _connect_error(error, self._visits.tls)
            failures = 1 if visit.was_open else failures + 1
            if visit.error is not None:
                self._state.bad(str(visit.error))
            if self._address not in known:
                return
            if visit.error is not None and visit.error.lasting:
                failures = len(BACK_OFF_S)
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1])


class Visit:
    """One connection to a model server, from the greeting to its end."""

    def __init__(self, visits: Visits, rank: int, state: State) -> None:
        self._visits = visits
        self._rank = rank
        self._state = state
        self._server: ModelServer | None = None
        self._greeting = LinkGreeting(visits.key, secrets.token_bytes(NONCE_BYTES))
        self.connection: PeerConnection
        self.closed = asyncio.Event()
        self.error: ChannelError | None = None
        self.was_open = False

    async def connect(self, host: Host, address: str) -> None:
        """Returns once the connection stands; the greeting goes on without it.

        Raises:
            OSError: nobody listens there, or it is not the one that the certificate says.
            TimeoutError: nobody answers.
        """
        loop = asyncio.get_running_loop()

        def make() -> PeerConnection:
            channel = Channel(self._greeting, time.monotonic())
            self.connection = PeerConnection(channel, self, loop)
            return self.connection

        tls = self._visits.tls
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await loop.create_connection(
                make, address, host.port, ssl=tls, server_hostname=host.name if tls else None
            )
        if not self.closed.is_set():
            self._visits.open.add(self)

    def on_open(self, connection: PeerConnection) -> None:
        """The link has one more model server, if it is one that it can use."""
        welcome = self._greeting.welcome
        assert welcome is not None, "the greeting is done"
        self._check(welcome)
        self.was_open = True
        self._visits.open.add(self)
        self._server = ModelServer(
            self._rank, welcome, connection.channel.send, lambda: connection.can_send
        )
        self._visits.link.connected(self._server)
        self._state.good("connected")

    def on_frame(self, frame: Frame) -> None:
        assert self._server is not None, "frames follow the greeting"
        self._visits.link.receive(self._server, frame)
        if self._server.leaves:
            raise ChannelError("it is going away")

    def on_received(self) -> None:
        self._visits.pump()

    def on_closed(self, error: ChannelError | None) -> None:
        self._visits.open.discard(self)
        self.error = error or ChannelError("the connection was lost")
        if self._server is not None:
            self._visits.link.lost(self._server)
            self._server = None
            self._visits.pump()
        self.closed.set()

    def _check(self, welcome: Welcome) -> None:
        if welcome.sample_rate_hz != LINK_RATE_HZ:
            raise ChannelError(
                f"its model runs at {welcome.sample_rate_hz} Hz, and a WebSocket server needs one "
                f"at {LINK_RATE_HZ} Hz",
                lasting=True,
            )
        if self._visits.link.knows(welcome.server_id):
            raise ChannelError(
                "it is connected already, by another name or address: name it once", lasting=True
            )


async def _addresses(host: Host) -> set[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    return {str(address[4][0]) for address in found}


def _connect_error(error: OSError | TimeoutError, tls: ssl.SSLContext | None) -> ChannelError:
    """What a failed connect comes to, and what would be right."""
    is_cut_off = isinstance(error, ConnectionError) and not isinstance(
        error, ConnectionRefusedError
    )
    if isinstance(error, ssl.SSLCertVerificationError):
        return ChannelError(
            f"its certificate is refused ({error.verify_message}): it must be valid, for the name "
            "in MODELSERVER_HOSTNAME, and from who --modelserver-ca or this machine trusts",
            lasting=True,
        )
    if isinstance(error, ssl.SSLError) or (tls is not None and is_cut_off):
        reason = getattr(error, "reason", None) or error.strerror or "it was cut off"
        return ChannelError(
            f"no TLS can be had ({reason}): does it have a certificate, or should "
            "MODELSERVER_PROTOCOL be http?",
            lasting=True,
        )
    if isinstance(error, TimeoutError):
        return ChannelError(f"it does not answer within {CONNECT_TIMEOUT_S:g} s")
    return ChannelError(f"cannot connect ({error.strerror or error})")
