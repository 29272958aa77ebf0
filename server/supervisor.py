"""The supervisor: binds the port, starts the engine, then the frontends, and watches them all.

It loads no framework and serves no client. The port is bound first, so that a taken one is told at
once, and listened on last, so that nobody connects before the engine can answer. Signals are only
recorded; the loop acts on them.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import time
from typing import Final

from models.spec import ModelSpec
from server.config import EngineConfig, ServeConfig
from server.engine import Engine, EngineError
from server.frontend_settings import FrontendSettings
from server.tls import TlsError, server_context
from shm.logs import announce
from shm.plane import PlaneError

WATCH_S: Final = 0.05
DRAIN_TIMEOUT_S: Final = 10
BACKLOG: Final = 1024
"""Connections that wait to be accepted; the kernel may lower it."""
RECEIVE_BUFFER_BYTES: Final = 65_536
"""Of each connection, in the kernel, which would let it grow to minutes of audio: see
`shm.frontend_slot.MOST_AHEAD_S`."""

log = logging.getLogger("realtime_engine.supervisor")


class ServeError(Exception):
    """The server cannot start; the message is one line."""


class _StopSignal:
    """Records SIGTERM and SIGINT."""

    def __init__(self) -> None:
        self.received = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._record)

    def _record(self, _number: int, _frame: object) -> None:
        self.received = True


def serve(config: ServeConfig, engine_config: EngineConfig, spec: ModelSpec) -> None:
    """Runs the server until SIGTERM or SIGINT; returns once everything it started has ended.

    Raises:
        ServeError: the port, the certificate or the shared memory cannot be had.
        EngineError: a process cannot start or go on.
    """
    stop = _StopSignal()
    listener = bind(config)
    operators = bind_operators(config)
    _check_tls(config)
    try:
        engine = Engine(engine_config, spec, config.frontends, config.logs)
    except PlaneError as error:
        raise ServeError(str(error)) from error
    try:
        engine.start(lambda: not stop.received)
        _listen(listener, config)
        if operators is not None:
            operators.listen(BACKLOG)
        _add_frontends(engine, config, listener, operators)
        engine.start(lambda: not stop.received)
        banner = _banner(config, engine)
        if not announce(" ".join(banner.split())):
            print(banner, file=sys.stderr, flush=True)
        while not stop.received:
            for event in engine.watch(time.monotonic()):
                log.error(event)
            time.sleep(WATCH_S)
        for bound in filter(None, (listener, operators)):
            bound.close()
        engine.signal("frontend", signal.SIGTERM)
        engine.wait_for_exit("frontend", DRAIN_TIMEOUT_S)
    except EngineError:
        if not stop.received:
            raise
    finally:
        engine.close()


def _add_frontends(
    engine: Engine, config: ServeConfig, listener: socket.socket, operators: socket.socket | None
) -> None:
    settings = FrontendSettings(
        listen_fd=listener.fileno(),
        ssl_cert=str(config.ssl_cert) if config.ssl_cert else None,
        ssl_key=str(config.ssl_key) if config.ssl_key else None,
        operator_fd=operators.fileno() if operators else None,
    )
    for index in range(config.frontends):
        engine.add_frontend(index, settings)


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
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ServeError(f"{given} is no address of this machine ({error})") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ServeError(
            f"cannot listen on {host} port {port} ({error.strerror}): stop what "
            f"uses it, or choose another with {flag}"
        ) from error
    return listener


def _listen(listener: socket.socket, config: ServeConfig) -> None:
    """Two servers may bind a port; only one of them listens on it."""
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        raise ServeError(
            f"another program began to listen on port {config.port} meanwhile: stop it, or choose "
            "another port with --port"
        ) from error


def _check_tls(config: ServeConfig) -> None:
    if config.ssl_cert is not None and config.ssl_key is not None:
        try:
            server_context(config.ssl_cert, config.ssl_key)
        except TlsError as error:
            raise ServeError(str(error)) from error


def _banner(config: ServeConfig, running: Engine) -> str:
    engine, spec = running.config, running.spec
    scheme = "wss" if config.ssl_cert else "ws"
    shown_host = "localhost" if config.host in {"0.0.0.0", "::", ""} else config.host  # noqa: S104
    language_model = engine.language_model or "none"
    second_pass = engine.second_pass.resolve() if engine.second_pass else "off"
    return (
        f"realtime-engine is ready\n"
        f"  URL             {scheme}://{shown_host}:{config.port}\n"
        f"  model           {spec.name} ({spec.sample_rate_hz} Hz)\n"
        f"  language model  {language_model}\n"
        f"  second pass     {second_pass}\n"
        f"  device          {', '.join(running.devices)}\n"
        f"  beam            {engine.beam_size}\n"
        f"  slots           {engine.slots} streams, {config.frontends} frontend(s), "
        f"{engine.workers} worker(s), {engine.decoders} decoder(s)"
    )
