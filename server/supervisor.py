"""The supervisor: binds the port, starts the engine, then the frontends, and watches them all.

It loads no framework and serves no client. The port is bound first, so that a taken one is told at
once, and listened on last, so that nobody connects before the engine can answer; or both were done
by the server whose place this one takes (`server.takeover`). Signals are only recorded; the loop
acts on them.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from models.spec import ModelSpec
from server.config import EngineConfig, ServeConfig
from server.engine import Engine
from server.frontend_settings import FrontendSettings
from server.processes import EngineError, Processes
from server.takeover import Handover, Predecessor, TakeoverError
from server.tiers.config import LinkConfig, ModelServerConfig
from server.tiers.linked_engine import LinkedEngine
from server.tiers.settings import ListenerSettings
from server.tls import TlsError, server_context
from shm.logs import announce
from shm.plane import PlaneError

WATCH_S: Final = 0.1
"""How often heartbeats are looked at, and signals to stop; a death is seen at once."""
DRAIN_TIMEOUT_S: Final = 10
DRAINED_WATCH_S: Final = 0.02
"""How soon the end of the last frontend is seen."""
BACKLOG: Final = 1024
"""Connections that wait to be accepted; the kernel may lower it."""
RECEIVE_BUFFER_BYTES: Final = 65_536
"""Of each connection, in the kernel, which would let it grow to minutes of audio: see
`shm.frontend_slot.MOST_AHEAD_S`."""

SEND_BUFFER_BYTES: Final = 131_072
"""The same for what is sent: hours of results would fit, of a client that reads none."""

log = logging.getLogger("realtime_engine.supervisor")


class ServeError(Exception):
    """The server cannot start; the message is one line."""


class Signals:
    """Records SIGTERM and SIGINT, which ask to stop, and SIGHUP, which asks to read files again.

    SIGHUP keeps its old meaning, to stop, once the terminal is gone that the server was started in.
    """

    def __init__(self) -> None:
        self.stop = False
        self._hangups = 0
        self._had_terminal = _has_terminal()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._record)

    def take_reload(self) -> bool:
        """Whether files are to be read again; true once for any number of signals."""
        reload, self._hangups = bool(self._hangups), 0
        if reload and self._had_terminal and not _has_terminal():
            self.stop = True
        return reload and not self.stop

    def _record(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self._hangups += 1
        else:
            self.stop = True


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def serve(config: ServeConfig, engine_config: EngineConfig, spec: ModelSpec) -> None:
    """Runs the server until SIGTERM or SIGINT; returns once everything it started has ended.

    Raises:
        ServeError: the port, the certificate or the shared memory cannot be had.
        EngineError: a process cannot start or go on.
    """
    _run(
        config,
        lambda: Engine(engine_config, spec, config.frontends, config.logs),
        lambda engine, sockets: _add_frontends(engine, config, sockets),
        lambda engine: _banner(config, engine),
    )


def serve_linked(config: ServeConfig, link: LinkConfig) -> None:
    """The same, with the engine on model servers elsewhere."""
    _run(
        config,
        lambda: LinkedEngine(link, config.frontends, config.logs),
        lambda engine, sockets: _add_frontends(engine, config, sockets),
        lambda _: _linked_banner(config, link),
    )


def serve_models(config: ModelServerConfig, engine_config: EngineConfig, spec: ModelSpec) -> None:
    """Runs a model server, for WebSocket servers on other machines. Raises as `serve` does."""

    def add_listener(engine: Engine, sockets: _Sockets) -> None:
        engine.add_listener(
            ListenerSettings(
                listen_fd=sockets.clients.fileno(),
                ssl_cert=_text(config.serve.ssl_cert),
                ssl_key=_text(config.serve.ssl_key),
                operator_fd=sockets.operators.fileno() if sockets.operators else None,
                key_file=_text(config.key_file),
            )
        )

    _run(
        config.serve,
        lambda: Engine(engine_config, spec, 1, config.serve.logs),
        add_listener,
        lambda engine: _model_server_banner(config.serve, engine),
    )


@dataclass(frozen=True, slots=True)
class _Sockets:
    """What was bound: for clients, and for operators if they have an address of their own."""

    clients: socket.socket
    operators: socket.socket | None

    @property
    def all(self) -> list[socket.socket]:
        return [self.clients] if self.operators is None else [self.clients, self.operators]

    def listen(self, config: ServeConfig) -> None:
        _listen(self.clients, config.port, "--port")
        if self.operators is not None and config.operator_address is not None:
            _listen(self.operators, config.operator_address[1], "--operator-address")

    def close(self) -> None:
        for bound in self.all:
            bound.close()


_AnyEngine = TypeVar("_AnyEngine", bound=Processes)


def _run(
    config: ServeConfig,
    make_engine: Callable[[], _AnyEngine],
    add_front: Callable[[_AnyEngine, _Sockets], None],
    banner_of: Callable[[_AnyEngine], str],
) -> None:
    """Start, watch, drain: for whatever stands behind the port, and whatever listens on it."""
    signals = Signals()
    predecessor = _predecessor(config) if config.takeover else None
    sockets = _sockets(config, predecessor)
    _check_tls(config)
    try:
        engine = make_engine()
    except PlaneError as error:
        raise ServeError(str(error)) from error
    try:
        engine.start(lambda: not signals.stop)
        sockets.listen(config)
        add_front(engine, sockets)
        engine.start(lambda: not signals.stop)
        if predecessor is not None:
            _dismiss(predecessor, config.port)
        handover = _handover(sockets)
        banner = banner_of(engine)
        gc.collect()
        gc.freeze()
        if not announce(" ".join(banner.split())):
            print(banner, file=sys.stderr, flush=True)
        succeeded = False
        while not (signals.stop or succeeded):
            if signals.take_reload():
                engine.signal_ready("frontend", signal.SIGHUP)
                engine.read_again()
            for event in engine.watch(time.monotonic()):
                log.error(event)
            engine.wait_for_death(WATCH_S)
            if handover is not None:
                succeeded, events = handover.look()
                for event in events:
                    log.warning(event)
        if handover is not None:
            handover.close()
        sockets.close()
        _drain(engine, config, signal.SIGUSR1 if succeeded else signal.SIGTERM)
    except EngineError:
        if not signals.stop:
            raise
    finally:
        engine.close()


def _drain(engine: Processes, config: ServeConfig, number: int) -> None:
    """Streams get their finals, from an engine that is still watched over."""
    gone = engine.retire("frontend", number)
    deadline_s = time.monotonic() + config.clients.drain_s + DRAIN_TIMEOUT_S
    while not gone() and time.monotonic() < deadline_s:
        for event in engine.watch(time.monotonic()):
            log.error(event)
        engine.wait_for_death(DRAINED_WATCH_S)


def _predecessor(config: ServeConfig) -> Predecessor | None:
    """The server on the port, if there is one to take over.

    Raises:
        ServeError: there is one, and it cannot be.
    """
    address = _resolved(config.host, config.port, f"--host {config.host}")[-1]
    try:
        found = Predecessor.find(address, config.port)
    except TakeoverError as error:
        raise ServeError(str(error)) from error
    if found is None:
        log.warning("--takeover: there is no server to take over on port %s", config.port)
    return found


def _sockets(config: ServeConfig, predecessor: Predecessor | None) -> _Sockets:
    """Those of the predecessor where they are what is needed, else new ones.

    Raises:
        ServeError: see `bind`.
    """
    if predecessor is None:
        return _Sockets(bind(config), bind_operators(config))
    clients = predecessor.listening.pop(0)
    operators = None
    if config.operator_address is not None:
        host, port = config.operator_address
        address = _resolved(host, port, f"--operator-address {host}:{port}")[-1]
        operators = predecessor.take(address) or bind_operators(config)
    return _Sockets(clients, operators)


def _dismiss(predecessor: Predecessor, port: int) -> None:
    if not predecessor.dismiss():
        log.error("the server before this one on port %s does not answer: end it by hand", port)
    predecessor.close()


def _handover(sockets: _Sockets) -> Handover | None:
    try:
        return Handover(sockets.all)
    except OSError as error:
        log.error("nobody will be able to take over from this server: %s", error)
        return None


def _add_frontends(engine: Processes, config: ServeConfig, sockets: _Sockets) -> None:
    settings = FrontendSettings(
        listen_fd=sockets.clients.fileno(),
        ssl_cert=_text(config.ssl_cert),
        ssl_key=_text(config.ssl_key),
        operator_fd=sockets.operators.fileno() if sockets.operators else None,
        clients=config.clients,
    )
    for index in range(config.frontends):
        engine.add_frontend(index, settings)


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def bind(config: ServeConfig) -> socket.socket:
    """The bound socket, not listening yet; children inherit it and listen.

    Raises:
        ServeError: no such address, or the port is taken or not for everyone.
    """
    return _bound(config.host, config.port, f"--host {config.host}", "--port")


def bind_operators(config: ServeConfig) -> socket.socket | None:
    """The same for the pages of operators, if they have an address of their own."""
    if config.operator_address is None:
        return None
    host, port = config.operator_address
    flag = "--operator-address"
    return _bound(host, port, f"{flag} {host}:{port}", flag)


def _bound(host: str, port: int, given: str, flag: str) -> socket.socket:
    family, kind, protocol, address = _resolved(host, port, given)
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ServeError(
            f"cannot listen on {host} port {port} ({error.strerror}): stop what "
            f"uses it, or choose another with {flag}"
        ) from error
    return listener


def _resolved(host: str, port: int, given: str) -> tuple[int, int, int, Any]:
    """Family, type, protocol and address of what is to be bound."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ServeError(f"{given} is no address of this machine ({error})") from error
    return family, kind, protocol, address


def _listen(listener: socket.socket, port: int, flag: str) -> None:
    """Two servers may bind a port; only one of them listens on it."""
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        raise ServeError(
            f"another program began to listen on port {port} meanwhile: stop it, or choose "
            f"another port with {flag}"
        ) from error


def _check_tls(config: ServeConfig) -> None:
    if config.ssl_cert is not None and config.ssl_key is not None:
        try:
            server_context(config.ssl_cert, config.ssl_key)
        except TlsError as error:
            raise ServeError(str(error)) from error


def _banner(config: ServeConfig, running: Engine) -> str:
    return (
        f"realtime-engine is ready\n"
        f"  URL             {_url(config)}\n"
        f"{_engine_lines(running)}\n"
        f"  slots           {running.config.slots} streams, {config.frontends} frontend(s), "
        f"{running.config.workers} worker(s), {running.config.decoders} decoder(s)"
    )


def _linked_banner(config: ServeConfig, link: LinkConfig) -> str:
    """Whether the model servers are there is for the log and /readyz to say."""
    protocol = "TLS" if link.tls else "no TLS"
    return (
        f"realtime-engine is ready\n"
        f"  URL             {_url(config)}\n"
        f"  model servers   {', '.join(map(str, link.hosts))} ({protocol})\n"
        f"  slots           {link.slots} streams, {config.frontends} frontend(s)"
    )


def _model_server_banner(config: ServeConfig, running: Engine) -> str:
    protocol = "TLS" if config.ssl_cert else "no TLS"
    return (
        f"realtime-engine model server is ready\n"
        f"  address         {config.host}:{config.port} ({protocol})\n"
        f"{_engine_lines(running)}\n"
        f"  slots           {running.config.slots} streams, "
        f"{running.config.workers} worker(s), {running.config.decoders} decoder(s)"
    )


def _url(config: ServeConfig) -> str:
    scheme = "wss" if config.ssl_cert else "ws"
    shown_host = "localhost" if config.host in {"0.0.0.0", "::", ""} else config.host  # noqa: S104
    return f"{scheme}://{shown_host}:{config.port}"


def _engine_lines(running: Engine) -> str:
    engine, spec = running.config, running.spec
    second_pass = engine.second_pass.resolve() if engine.second_pass else "off"
    return (
        f"  model           {spec.name} ({spec.sample_rate_hz} Hz)\n"
        f"  language model  {engine.language_model or 'none'}\n"
        f"  second pass     {second_pass}\n"
        f"  device          {', '.join(running.devices)}\n"
        f"  beam            {engine.beam_size}"
    )
