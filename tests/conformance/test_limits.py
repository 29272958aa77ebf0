"""Clients that ask for too much, or keep the server waiting, against the real server (ours)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.conformance.client import Client, RawClient, Refusal, knock, refusal, text_frame
from tests.conformance.conftest import Tiers, echo_flags
from tests.conformance.metrics import figure
from tests.conformance.server_process import HOST, ServerProcess
from tests.conformance.spelling import spell
from tests.conformance.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.server

ENOUGH_DONES = 8000
"""Their finals are more than the kernel takes, and less than the server holds."""


@pytest.fixture(scope="module")
def strict_server(tiers: Tiers) -> Iterator[ServerProcess]:
    """As little patience as there can be."""
    environment = {
        "REALTIME_ENGINE_ADDRESS_STREAMS": "2",
        "REALTIME_ENGINE_HANDSHAKE_TIMEOUT_S": "1",
        "REALTIME_ENGINE_IDLE_TIMEOUT_S": "4",
        "REALTIME_ENGINE_UNREAD_TIMEOUT_S": "1",
    }
    with tiers(*echo_flags(), environment=environment) as server:
        yield server


def until_quiet(server: ServerProcess) -> None:
    """No stream is left of what was before."""
    wait_until(lambda: figure(server, "streams") == 0, "no stream is left")


def test_an_address_has_so_many_streams(strict_server: ServerProcess) -> None:
    until_quiet(strict_server)
    with Client(strict_server.url) as one, Client(strict_server.url) as other:
        refused = refusal(strict_server.url, "/")
        assert (refused.status, refused.body["status"]) == (429, "too_many_requests")
        assert "your address has 2 streams" in refused.body["info"]
        assert int(refused.headers["retry-after"]) > 0
        wait_until(
            lambda: figure(strict_server, 'streams_refused_total{reason="address"}') >= 1,
            "it is counted",
        )
        one.close()
        third = knock(strict_server.url)
        assert isinstance(third, Client)
        third.close()
        other.send_audio(spell("undisturbed"))
        assert other.done()["text"] == "undisturbed"
        other.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_request_that_does_not_come_to_its_end(strict_server: ServerProcess, sent: bytes) -> None:
    with socket.create_connection((HOST, strict_server.port), timeout=PATIENCE_S) as line:
        line.sendall(sent)
        answer = b""
        while data := line.recv(65_536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert "within 1 s" in json.loads(body)["info"]


def test_bytes_that_trickle_in_do_not_buy_time(strict_server: ServerProcess) -> None:
    with socket.create_connection((HOST, strict_server.port), timeout=PATIENCE_S) as line:
        line.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        line.settimeout(0.05)
        answer = b""
        while not answer:
            line.sendall(b"z")
            try:
                answer = line.recv(65_536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_request_has_so_many_bytes_and_no_more(strict_server: ServerProcess) -> None:
    with socket.create_connection((HOST, strict_server.port), timeout=PATIENCE_S) as line:
        line.sendall(b"GET / HTTP/1.1\r\n" + b"X-Large: " + b"z" * 8000 + b"\r\n")
        line.sendall((b"X-Large: " + b"z" * 7000 + b"\r\n") * 2)
        answer = line.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"16384 bytes" in answer


def test_an_idle_client_gets_its_final_is_told_and_closed(strict_server: ServerProcess) -> None:
    until_quiet(strict_server)
    with Client(strict_server.url) as client:
        client.send_audio(spell("and then nothing"))
        final, notice = client.until_closed()
        assert (final["text"], final["isFinal"]) == ("and then nothing", True)
        assert (notice["status"], "for 4 s" in notice["info"]) == ("idle_timeout", True)
        assert client.close_code == 1008
    until_quiet(strict_server)


def test_a_client_that_does_not_read_is_told_and_closed(strict_server: ServerProcess) -> None:
    until_quiet(strict_server)
    with RawClient(strict_server.url) as client:
        client.send(client.handshake)
        for _ in range(ENOUGH_DONES // 100):
            client.send(text_frame(b"done") * 100)
        wait_until(lambda: figure(strict_server, "streams") == 1, "the stream has begun")
        wait_until(lambda: figure(strict_server, "streams") == 0, "its slot is free")
        statuses = [message.get("status") for message in client.messages()]
        assert statuses[-1] == "slow_reader"
        assert client.close_code == 1008
        assert None in statuses, "what there was to read is there, now that it reads"
    assert not isinstance(knock(strict_server.url), Refusal)
