"""A server takes the port over from another: every client is served, by one or by the other."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.exceptions import ConnectionClosedOK

from bench.footprint import processes
from tests.conformance.client import Client, RawClient
from tests.conformance.hypotheses import text_of
from tests.conformance.server_process import HOST, ServerProcess, free_port, start
from tests.conformance.spelling import spell
from tests.conformance.two_tiers import LinkedServer, ModelServer
from tests.conformance.waiting import PATIENCE_S, wait_until
from tests.robustness.conftest import FLAGS
from tests.robustness.test_killing import receive_until
from tests.server.processes import children_of, is_running

pytestmark = pytest.mark.server

TAKEOVER = "--takeover"
WORDS = "heard by one of them"


class Knocking:
    """Connects again and again, from several threads; what went wrong is in ``faults``."""

    def __init__(self, url: str, **options: Any) -> None:
        self._url = url
        self._options = options
        self._ends = threading.Event()
        self.faults: list[str] = []
        self.streams = 0
        self.ready = 0

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """While the block runs, and for one more of each at least after it."""
        with ThreadPoolExecutor(3) as pool:
            tasks = [pool.submit(self._stream) for _ in range(2)]
            tasks.append(pool.submit(self._readiness))
            wait_until(lambda: self.streams > 1 and self.ready > 1, "clients come and go")
            try:
                yield
                before = self.streams, self.ready
                wait_until(
                    lambda: self.streams > before[0] + 1 and self.ready > before[1],
                    "clients come and go afterwards",
                )
            finally:
                self._ends.set()
            for task in tasks:
                task.result()

    def _stream(self) -> None:
        while not self._ends.is_set():
            try:
                fault = self._fault_of_one()
            except Exception as error:  # whatever a client would see
                fault = f"{type(error).__name__}: {error}"
            if fault is not None:
                self.faults.append(fault)
            self.streams += 1

    def _fault_of_one(self) -> str | None:
        with Client(self._url, **self._options) as client:
            with suppress(ConnectionClosedOK):  # sent away in the middle of it
                client.send_audio(spell(WORDS))
                client.send("done")
            while (message := client._next()) is not None and not message.get("isFinal"):
                pass
            heard = text_of(client.received)
            away = client.close_code == 1001
        good = WORDS.startswith(heard) if away else heard == WORDS
        return None if good else f"{client.received}, closed with {client.close_code}"

    def _readiness(self) -> None:
        while not self._ends.is_set():
            try:
                address = self._url.replace("ws", "http", 1) + "/readyz"
                with urlopen(address, context=self._options.get("ssl"), timeout=PATIENCE_S) as page:
                    if not json.loads(page.read())["ready"]:
                        self.faults.append("not ready")
            except OSError as error:
                self.faults.append(f"/readyz: {error}")
            self.ready += 1


def test_every_client_is_served_through_the_whole_of_it() -> None:
    """Twice in a row; who is in mid-utterance gets its final and is told to come again."""
    flags = (*FLAGS, "--frontends", "2")
    with ExitStack() as running:
        server = running.enter_context(ServerProcess(*flags))
        knocking = Knocking(server.url)
        with knocking.going_on():
            for said in ("these are the last words", "and these are of the second"):
                client = running.enter_context(Client(server.url))
                client.send_audio(spell(said))
                receive_until(client, said.split()[0])
                successor = running.enter_context(ServerProcess(*flags, TAKEOVER, port=server.port))
                assert text_of(client.until_closed()) == said
                assert client.close_code == 1001
                assert server.wait() == 0
                assert "another server has taken over" in server.log
                server = successor
        assert knocking.faults == []
        assert children_of(server.pid)


def test_with_tls_as_well(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    flags = (*FLAGS, "--ssl-cert", str(cert), "--ssl-key", str(key))
    context = ssl.create_default_context(cafile=cert)
    with ExitStack() as running:
        old = running.enter_context(ServerProcess(*flags, scheme="wss"))
        client = running.enter_context(Client(old.url, ssl=context))
        client.send_audio(spell("these are the last words"))
        receive_until(client, "these")
        running.enter_context(ServerProcess(*flags, TAKEOVER, scheme="wss", port=old.port))
        assert text_of(client.until_closed()) == "these are the last words"
        assert client.close_code == 1001
        assert old.wait() == 0
        client = running.enter_context(Client(old.url, ssl=context))
        client.send_audio(spell("served by the other"))
        assert client.done()["text"] == "served by the other"


def test_who_has_connected_and_says_nothing_yet_is_still_let_in() -> None:
    """The old frontend has accepted it and answers, although it has been told to finish."""
    with ServerProcess(*FLAGS) as old:
        before = sockets_of(old.pid)
        with RawClient(old.url) as early:
            wait_until(lambda: sockets_of(old.pid) > before, "it has been accepted")
            os.kill(processes(old.pid)["frontend 0"], signal.SIGUSR1)
            early.send(early.handshake)
            assert early.has_come(PATIENCE_S)
            assert early._socket.recv(12) == b"HTTP/1.1 101"


def test_who_has_been_accepted_and_is_not_known_yet_is_let_in_as_well(
    certificate: tuple[Path, Path],
) -> None:
    """Its TLS handshake ends after the old frontend has been told to finish."""
    cert, key = certificate
    context = ssl.create_default_context(cafile=cert)
    with ServerProcess(*FLAGS, "--ssl-cert", str(cert), "--ssl-key", str(key), scheme="wss") as old:
        before = sockets_of(old.pid)
        with RawClient(old.url) as early:
            wait_until(lambda: sockets_of(old.pid) > before, "it has been accepted")
            os.kill(processes(old.pid)["frontend 0"], signal.SIGUSR1)
            with context.wrap_socket(early._socket, server_hostname=HOST) as secret:
                secret.sendall(early.handshake)
                assert secret.recv(12) == b"HTTP/1.1 101"


def test_a_new_server_that_is_killed_while_it_loads_changes_nothing() -> None:
    with ServerProcess(*FLAGS) as old, Client(old.url) as client:
        client.send_audio(spell("before and "))
        loading = start(
            "serve", "--host", HOST, "--port", str(old.port), *FLAGS, TAKEOVER,
            environment={}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: len(children_of(loading.pid)) > 0, "the new one loads")
        children = children_of(loading.pid)
        loading.kill()
        loading.wait()
        wait_until(lambda: "has ended: this one goes on" in old.log, "its end is noticed")
        wait_until(lambda: not any(map(is_running, children)), "its children end with it")
        client.send_audio(spell("after"))
        assert client.done()["text"] == "before and after"
        with Client(old.url) as another:
            another.send_audio(spell("let in"))
            assert another.done()["text"] == "let in"


def test_a_new_server_that_cannot_load_says_why_and_changes_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "lm.bin"
    broken.write_text("no model")
    with ServerProcess(*FLAGS) as old:
        code, said = serve(old.port, "--lm", str(broken))
        assert (code, len(said)) == (2, 1)
        assert "not a KenLM language model" in said[0]
        wait_until(lambda: "has ended: this one goes on" in old.log, "its end is noticed")
        with Client(old.url) as client:
            client.send_audio(spell("still here"))
            assert client.done()["text"] == "still here"


def test_where_there_is_nobody_it_just_starts() -> None:
    with ServerProcess(*FLAGS, TAKEOVER) as server:
        assert f"there is no server to take over on port {server.port}" in server.log
        with Client(server.url) as client:
            client.send_audio(spell("as any server"))
            assert client.done()["text"] == "as any server"


def test_what_is_no_server_of_ours_is_not_taken_over() -> None:
    with socket.create_server((HOST, free_port())) as other:
        code, said = serve(other.getsockname()[1])
    assert code == 2
    assert "Address already in use" in said[-1]


def test_operators_keep_their_address() -> None:
    operators = free_port()
    flags = (*FLAGS, "--operator-address", f"{HOST}:{operators}")
    with ServerProcess(*flags) as old, ServerProcess(*flags, TAKEOVER, port=old.port):
        assert old.wait() == 0
        connection = http.client.HTTPConnection(HOST, operators, timeout=PATIENCE_S)
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_model_server_is_taken_over_and_streams_go_on() -> None:
    """A pause for them, as when it drains: they are replayed by its successor."""
    with ExitStack() as running:
        old = running.enter_context(ModelServer(*FLAGS))
        front = running.enter_context(LinkedServer([old.address]))
        client = running.enter_context(Client(front.url))
        client.send_audio(spell("begun with one of them "))
        receive_until(client, "begun")
        running.enter_context(ModelServer(*FLAGS, TAKEOVER, port=old.port))
        client.send_audio(spell("and ended with another"))
        assert client.done()["text"] == "begun with one of them and ended with another"
        assert old.wait() == 0
        client.close()  # its server waits for a stream that it could not hand on


def serve(port: int, *flags: str) -> tuple[int, list[str]]:
    """Starts a server that gives up: its exit status, and what it says."""
    process = start(
        "serve", "--host", HOST, "--port", str(port), *FLAGS, TAKEOVER, *flags,
        environment={}, stderr=subprocess.PIPE,
    )  # fmt: skip
    _, said = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said.decode().splitlines()


def sockets_of(pid: int) -> int:
    """How many its frontend holds."""
    folder = Path(f"/proc/{processes(pid)['frontend 0']}/fd")
    return sum(os.readlink(fd).startswith("socket:") for fd in folder.iterdir())
