"""Frontend processes around a real engine: they share a port, not each other's fate."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.engine import Engine
from server.frontend_settings import FrontendSettings
from server.processes import ManagedProcess, UnusableError
from tests.conformance.client import Client, refusal
from tests.conformance.server_process import HOST
from tests.conformance.spelling import spell
from tests.conformance.waiting import wait_until
from tests.server.processes import ECHO_SPEC, echo_config

pytestmark = pytest.mark.server

SLOTS = 3
FRONTENDS = 2


@dataclass(frozen=True, slots=True)
class Service:
    """An engine with frontends on a listening socket, watched by whoever waits."""

    engine: Engine
    url: str

    def frontend(self, index: int) -> ManagedProcess:
        (found,) = [m for m in self.engine._processes if (m.name, m.index) == ("frontend", index)]
        return found

    def pid(self, index: int) -> int:
        process = self.frontend(index).process
        assert process is not None
        return process.pid

    def is_whole_again(self) -> bool:
        """Replaces what died; true once all are ready."""
        self.engine.watch(time.monotonic())
        return self.engine.is_ready

    def kill(self, index: int, number: signal.Signals) -> None:
        """Signals a frontend and waits until its successor is ready."""
        generation = self.frontend(index).generation
        os.kill(self.pid(index), number)
        wait_until(
            lambda: self.is_whole_again() and self.frontend(index).generation > generation,
            "the successor is ready",
        )

    def owner_of(self, before: dict[int, int]) -> int:
        """Which frontend has more connections than ``before``."""
        (owner,) = [i for i, count in self.connections().items() if count > before[i]]
        return owner

    def connections(self) -> dict[int, int]:
        """By frontend, the sockets that it has open."""
        return {index: sockets_of(self.pid(index)) for index in range(FRONTENDS)}


def sockets_of(pid: int) -> int:
    folder = Path(f"/proc/{pid}/fd")
    return sum(os.readlink(entry).startswith("socket:") for entry in folder.iterdir())


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    engine = Engine(echo_config(slots=SLOTS), ECHO_SPEC, FRONTENDS)
    try:
        with socket.create_server((HOST, 0)) as listener:
            settings = FrontendSettings(listener.fileno(), None, None)
            for index in range(FRONTENDS):
                engine.add_frontend(index, settings)
            engine.start()
            yield Service(engine, f"ws://{HOST}:{listener.getsockname()[1]}")
    finally:
        engine.close()


def test_the_slots_are_shared_by_all_frontends(service: Service) -> None:
    before = service.connections()
    clients = [Client(service.url) for _ in range(SLOTS)]
    assert refusal(service.url, "/").status == 503
    for number, client in enumerate(clients):
        client.send_audio(spell("abc"[number]))
    for number, client in enumerate(clients):
        assert client.done()["text"] == "abc"[number]
        client.close()
    wait_until(lambda: service.connections() == before, "all sockets are closed")


def test_a_frontend_that_is_killed_loses_its_own_clients_alone(service: Service) -> None:
    before = service.connections()
    with Client(service.url) as lost:
        wait_until(lambda: service.connections() != before, "the connection shows")
        owner = service.owner_of(before)
        service_of_other = service.pid(1 - owner)
        service.kill(owner, signal.SIGKILL)
        lost.until_closed()
        assert lost.close_code == 1006
    assert service.pid(1 - owner) == service_of_other
    clients = [Client(service.url) for _ in range(SLOTS)]
    for client in clients:
        client.send_audio(spell("all slots"))
    assert {client.done()["text"] for client in clients} == {"all slots"}
    for client in clients:
        client.close()
    wait_until(lambda: service.connections() == before, "all sockets are closed")


def test_a_frontend_that_is_told_to_stop_finalises_first(service: Service) -> None:
    before = service.connections()
    with Client(service.url) as client:
        wait_until(lambda: service.connections() != before, "the connection shows")
        client.send_audio(spell("last words"))
        service.kill(service.owner_of(before), signal.SIGTERM)
        assert [message["text"] for message in client.until_closed()] == ["last words"]
        assert client.close_code == 1001


def test_who_has_a_stream_hears_that_the_engine_fails(service: Service) -> None:
    """And keeps it: the engine may run again."""
    with Client(service.url) as client:
        client.send_audio(spell("kept"))
        service.engine.plane.set_failing(True)
        while (message := client.receive()).get("status") is None:
            assert not message["isFinal"]
        assert message["status"] == "error"
        assert "cannot be kept running" in message["info"]
        refused = refusal(service.url, "/")
        assert refused.status == 503
        assert "cannot be kept running" in str(refused.body)
        service.engine.plane.set_failing(False)
        assert client.done()["text"] == "kept"


def test_a_frontend_that_is_stopped_dead_is_found_out(service: Service) -> None:
    """Its heartbeat stands still; the engine is asked as if enough time had passed."""
    os.kill(service.pid(0), signal.SIGSTOP)
    (event,) = [
        event
        for event in service.engine.watch(time.monotonic() + 15)
        if event.startswith("frontend 0")
    ]
    assert event == "frontend 0 is stuck: killed"
    wait_until(service.is_whole_again, "all are replaced")


def test_a_certificate_that_went_bad_is_told_by_the_frontend(
    tls_pair: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """The supervisor has checked the pair, but a successor reads it anew."""
    cert, _ = tls_pair
    engine = Engine(echo_config(), ECHO_SPEC, frontends=1)
    engine._processes.clear()
    try:
        with socket.create_server((HOST, 0)) as listener:
            settings = FrontendSettings(listener.fileno(), str(cert), str(cert))
            engine.add_frontend(0, settings)
            with pytest.raises(UnusableError):
                engine.start()
    finally:
        engine.close()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("realtime-engine: TLS cannot start with certificate")
