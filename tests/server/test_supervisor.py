"""The whole server as an operator starts and stops it, and as it is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from functools import partial
from pathlib import Path

import pytest

from server.config import ServeConfig
from server.supervisor import ServeError, Signals, bind
from shm.plane import NAME
from tests.conformance.client import Client
from tests.conformance.server_process import ECHO, HOST, ServerProcess, free_port, start
from tests.conformance.spelling import spell
from tests.conformance.waiting import PATIENCE_S, wait_until
from tests.server.processes import children_of, is_running

FLAGS = ("--model", str(ECHO), "--slots", "2", "--decoders", "2", "--beam-size", "20")
FRONTENDS = 2
CHILDREN = FRONTENDS + 1 + 2


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def named_memory_of(pids: set[int]) -> set[str]:
    """Shared memory with a name, which would outlive them, in what processes have mapped."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    assert any(NAME in line for line in lines), "the plane is mapped, and it has no name"
    return {line for line in lines if "/dev/shm/" in line}


@pytest.mark.server
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_that_it_is_ready_and_stops_when_told(number: signal.Signals) -> None:
    """A client that is connected then gets its final and the reason."""
    with ServerProcess(*FLAGS, "--frontends", str(FRONTENDS)) as server:
        banner = server.log.splitlines()
        assert banner[0] == "realtime-engine is ready"
        assert banner[1].split() == ["URL", f"ws://{HOST}:{server.port}"]
        assert banner[2].split() == ["model", "echo", "(16000", "Hz)"]
        assert banner[-1].endswith("2 streams, 2 frontend(s), 1 worker(s), 2 decoder(s)")
        children = children_of(server.pid)
        assert len(children) == CHILDREN
        assert not named_memory_of(children)
        with Client(server.url) as client:
            client.send_audio(spell("so far"))
            os.kill(server.pid, number)
            assert [message["text"] for message in client.until_closed()] == ["so far"]
            assert client.close_code == 1001
        assert server.stop() == 0
        assert server.log.splitlines() == banner, "nothing else was worth a line"
        assert not any(map(is_running, children))
        assert is_free(server.port)


@pytest.mark.server
def test_nothing_outlives_a_supervisor_that_is_killed() -> None:
    with ServerProcess(*FLAGS, "--frontends", str(FRONTENDS)) as server:
        children = children_of(server.pid)
        assert len(children) == CHILDREN
        assert not named_memory_of(children)
        with Client(server.url) as client:
            server.kill()
            client.until_closed()
        wait_until(lambda: not any(map(is_running, children)), "all children have ended")
        assert is_free(server.port)


@pytest.mark.server
def test_a_stop_during_the_start_is_no_failure() -> None:
    """Before anything is ready: it says nothing and leaves nothing."""
    port = free_port()
    process = start(
        "serve", "--host", HOST, "--port", str(port), *FLAGS,
        environment={}, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_until(lambda: bool(children_of(process.pid)), "the first child is started")
    children = children_of(process.pid)
    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (0, b"")
    assert not any(map(is_running, children))
    assert is_free(port)


def config(host: str, port: int) -> ServeConfig:
    return ServeConfig(host, port, 1, "WARNING", None, None)


def test_the_port_is_taken_before_anybody_can_connect() -> None:
    with bind(config(HOST, free_port())) as listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname())


def test_a_port_in_use() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError) as refused:
            bind(config(HOST, port))
    assert str(refused.value) == (
        f"cannot listen on {HOST} port {port} (Address already in use): stop what uses it, or "
        "choose another with --port"
    )


@pytest.mark.parametrize("host", ["no.such.host.invalid", "300.1.1.1"])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(ServeError, match=f"--host {host} is no address of this machine"):
        bind(config(host, free_port()))


def test_an_address_of_another_machine() -> None:
    with pytest.raises(ServeError, match=r"cannot listen on 192\.0\.2\.1 port "):
        bind(config("192.0.2.1", free_port()))


def test_a_hangup_asks_for_a_reload_until_the_terminal_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        for terminal_before, terminal_now, reloads in (
            (True, True, True), (True, False, False), (False, False, True),
        ):  # fmt: skip
            monkeypatch.setattr("server.supervisor._has_terminal", partial(bool, terminal_before))
            signals = Signals()
            assert not signals.take_reload()
            monkeypatch.setattr("server.supervisor._has_terminal", partial(bool, terminal_now))
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGHUP)
            assert signals.take_reload() == reloads
            assert not signals.take_reload()
            assert signals.stop != reloads
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
