"""Two tiers, and what can happen between them: nothing that was said is lost or said twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from bench.footprint import processes
from tests.conformance.client import Client, Refusal, knock
from tests.conformance.hypotheses import Message
from tests.conformance.server_process import ECHO, ServerProcess, free_port
from tests.conformance.spelling import numbered_words, silence, spell
from tests.conformance.two_tiers import KEY, LinkedServer, ModelServer
from tests.conformance.waiting import wait_until
from tests.robustness.test_killing import kill, receive_until

pytestmark = pytest.mark.server

ENGINE: Final = ("--model", str(ECHO), "--beam-size", "20", "--slots", "2")
QUICK: Final = {"INTERMED_PARTIALS": "True"}
INFO: Final = QUICK | {"WEBSOCKET_SERVER_LOGLEVEL": "INFO"}
WORDS: Final = numbered_words(0, 80).split()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def utterances(client: Client, disturb: Callable[[], None]) -> list[Message]:
    """The finals of one stream: two utterances, one that is cut in two by ``disturb``, a done."""
    client.send_audio(spell("one and "))
    client.send_audio(silence(1.6))
    client.send_audio(spell("two"))
    client.send_audio(silence(1.6))
    finals = [client.final(), client.final()]
    client.send_audio(spell(" ".join(WORDS[:40]) + " "))
    receive_until(client, WORDS[20])
    disturb()
    client.send_audio(spell(" ".join(WORDS[40:])))
    client.send_audio(silence(1.6))
    finals += [client.final(), client.done(), client.done()]
    client.close()
    assert [final["text"] for final in finals] == ["one and", "two", " ".join(WORDS), "", ""]
    return [{name: value for name, value in final.items() if name != "msgId"} for final in finals]


@pytest.fixture(scope="module")
def undisturbed() -> list[Message]:
    """What one machine says to it, on which nothing happens."""
    with ServerProcess(*ENGINE, environment=QUICK) as server, Client(server.url) as client:
        return utterances(client, lambda: None)


def test_nothing_happens(undisturbed: list[Message], stack: ExitStack) -> None:
    model = stack.enter_context(ModelServer(*ENGINE))
    server = stack.enter_context(LinkedServer([model.address], environment=QUICK))
    with Client(server.url) as client:
        assert utterances(client, lambda: None) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_a_model_server_is_lost_and_another_goes_on(
    number: signal.Signals, undisturbed: list[Message], stack: ExitStack
) -> None:
    """Killed, drained, or silent all of a sudden."""
    first, second = (stack.enter_context(ModelServer(*ENGINE)) for _ in range(2))
    addresses = [first.address, second.address]
    server = stack.enter_context(LinkedServer(addresses, environment=QUICK))

    def disturb() -> None:
        listener = processes(first.pid)["listener 0"]
        os.kill(first.pid if number is signal.SIGTERM else listener, number)
        if number is signal.SIGKILL:
            os.kill(first.pid, number)

    with Client(server.url) as client:
        assert utterances(client, disturb) == undisturbed
        told = {signal.SIGTERM: "it is going away", signal.SIGSTOP: "silent"}.get(number, "")
        wait_until(lambda: told in server.log, f"the log says {told!r}")


def test_the_link_is_killed(undisturbed: list[Message], stack: ExitStack) -> None:
    model = stack.enter_context(ModelServer(*ENGINE))
    server = stack.enter_context(LinkedServer([model.address], environment=QUICK))
    with Client(server.url) as client:
        assert utterances(client, lambda: kill(server, "link_process 0")) == undisturbed


@pytest.mark.parametrize("victim", ["gpu_worker 0", "listener 0"])
def test_a_process_of_the_model_server_is_killed(
    victim: str, undisturbed: list[Message], stack: ExitStack
) -> None:
    model = stack.enter_context(ModelServer(*ENGINE))
    server = stack.enter_context(LinkedServer([model.address], environment=QUICK))
    name = victim.replace("gpu_worker", "worker")
    with Client(server.url) as client:
        assert utterances(client, lambda: kill(model, name)) == undisturbed


def test_the_only_model_server_comes_back(undisturbed: list[Message], stack: ExitStack) -> None:
    """Until it is there nobody is let in, and whoever was waits."""
    port = free_port()
    model = stack.enter_context(ModelServer(*ENGINE, port=port))
    server = stack.enter_context(LinkedServer([model.address], environment=INFO))

    def disturb() -> None:
        model.stop()
        wait_until(lambda: not server.readiness()["ready"], "the loss is noticed")
        assert "no model server is connected" in server.readiness()["not_ready"][0]
        answer = knock(server.url)
        assert isinstance(answer, Refusal)
        assert (answer.status, answer.body["info"]) == (
            503,
            "No model server is connected: try again later.",
        )
        assert int(answer.headers["retry-after"]) > 0
        stack.enter_context(ModelServer(*ENGINE, port=port))

    with Client(server.url) as client:
        assert utterances(client, disturb) == undisturbed
    changes = [line for line in server.log.splitlines() if "WARNING" in line]
    assert len(changes) <= 4, changes
    assert "connected" in changes[-1]


def test_streams_beyond_the_first_servers_room_go_to_the_next(stack: ExitStack) -> None:
    """And beyond both, clients are refused as on one machine."""
    models = [stack.enter_context(ModelServer(*ENGINE)) for _ in range(2)]
    server = stack.enter_context(LinkedServer([model.address for model in models]))
    wait_until(lambda: _capacity(server) == 4, "both are connected")
    clients = [stack.enter_context(Client(server.url)) for _ in range(4)]
    for number, client in enumerate(clients):
        client.send_audio(spell(numbered_words(10 * number, 3)))
    for number, client in enumerate(clients):
        assert client.done()["text"] == numbered_words(10 * number, 3)
    answer = knock(server.url)
    assert isinstance(answer, Refusal)
    assert (answer.status, answer.body["info"]) == (
        503,
        "All streams are in use: try again later.",
    )
    clients[0].close()
    wait_until(lambda: isinstance(knock(server.url), Client), "a slot is free again")


def test_two_websocket_servers_share_a_model_server(stack: ExitStack) -> None:
    """One that is let in by mistake waits, and loses nothing."""
    model = stack.enter_context(ModelServer(*ENGINE))
    near = [stack.enter_context(LinkedServer([model.address])) for _ in range(2)]
    for round_number in range(3):
        with Client(near[0].url) as one, Client(near[1].url) as other:
            one.send_audio(spell("on the left"))
            other.send_audio(spell(f"on the right {'abc'[round_number]}"))
            assert other.done()["text"] == f"on the right {'abc'[round_number]}"
            assert one.done()["text"] == "on the left"


def test_a_wrong_key_is_told_and_tried_again_seldom(stack: ExitStack) -> None:
    model = stack.enter_context(ModelServer(*ENGINE))
    other_key = {"MODELSERVER_KEY": "quite another key, but long enough"}
    server = stack.enter_context(LinkedServer([model.address], environment=other_key, waits=False))
    wait_until(lambda: "different keys" in server.log, "the link says why")
    wait_until(lambda: "different keys" in model.log, "and so does the model server")
    assert not server.readiness()["ready"]
    assert KEY["MODELSERVER_KEY"] not in server.log + model.log


def test_what_is_no_model_server_is_told(stack: ExitStack, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    web = stack.enter_context(ServerProcess(*ENGINE))
    tls = {"SSL_CERT_PATH": str(cert), "SSL_CERT_KEY": str(key)}
    encrypted = stack.enter_context(ModelServer(*ENGINE, environment=tls))
    plain = stack.enter_context(ModelServer(*ENGINE))
    server = stack.enter_context(
        LinkedServer([f"127.0.0.1:{web.port}", encrypted.address], waits=False)
    )
    wait_until(lambda: f"{web.port}: it did not greet" in server.log, "somebody else is there")
    said = f"{encrypted.port}: it closed the connection instead of greeting"
    wait_until(lambda: said in server.log, "TLS is guessed")
    https = {"MODELSERVER_PROTOCOL": "https", "MODELSERVER_CA": str(cert)}
    other = stack.enter_context(LinkedServer([plain.address], environment=https, waits=False))
    wait_until(lambda: "no TLS can be had" in other.log, "that there is no TLS")
    untrusting = {"MODELSERVER_PROTOCOL": "https"}
    third = stack.enter_context(
        LinkedServer([encrypted.address], environment=untrusting, waits=False)
    )
    wait_until(lambda: "its certificate is refused" in third.log, "who signed it is unknown")
    fourth = stack.enter_context(
        LinkedServer([f"localhost:{encrypted.port}"], environment=https, waits=False)
    )
    wait_until(lambda: "its certificate is refused" in fourth.log, "the name is wrong")


def test_tls(stack: ExitStack, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    tls = {"SSL_CERT_PATH": str(cert), "SSL_CERT_KEY": str(key)}
    model = stack.enter_context(ModelServer(*ENGINE, environment=tls))
    https = {"MODELSERVER_PROTOCOL": "https", "MODELSERVER_CA": str(cert)}
    server = stack.enter_context(LinkedServer([model.address], environment=https))
    with Client(server.url) as client:
        client.send_audio(spell("nobody on the way can read this"))
        assert client.done()["text"] == "nobody on the way can read this"


def _capacity(server: LinkedServer) -> float:
    return server.figure("realtime_engine_model_server_streams")
