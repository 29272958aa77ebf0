"""The pages of a real server: they tell what has happened, and never what was said."""

from __future__ import annotations

import http.client
import json
import os
import signal
from typing import Any

import pytest

from tests.conformance.client import Client, refusal
from tests.conformance.conftest import TlsServer, echo_flags
from tests.conformance.server_process import HOST, ServerProcess, free_port, refusal_to_start
from tests.conformance.spelling import spell
from tests.conformance.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.server

SECRET = "hush"


def get(server: ServerProcess, path: str, port: int = 0) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(HOST, port or server.port, timeout=PATIENCE_S)
    connection.request("GET", path)
    return connection.getresponse()


def metrics(server: ServerProcess) -> dict[str, float]:
    """Samples by name with labels, as they are written."""
    lines = get(server, "/metrics").read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name.removeprefix("realtime_engine_"): float(value) for name, value in pairs}


def ready(server: ServerProcess) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(get(server, "/readyz").read())
    return answer


def test_all_frontends_answer_for_the_whole_engine() -> None:
    with ServerProcess(*echo_flags(), "--frontends", "2") as server:
        assert get(server, "/healthz").status == 200
        wait_until(lambda: ready(server)["ready"], "the server is ready")
        with Client(server.url) as client:
            client.send_audio(spell("hello there"))
            client.done()
            wait_until(lambda: ready(server)["slots"]["free"] == 3, "the stream shows")
        refusal(server.url, "/asr")

        def counted() -> bool:
            found = metrics(server)
            return found["streams"] == 0 and found['streams_refused_total{reason="path"}'] == 1

        wait_until(counted, "what has happened is counted")
        found = metrics(server)
        assert found["streams_admitted_total"] == 1
        assert found["finals_sent_total"] >= 1
        assert found["done_to_final_seconds_count"] >= 1
        assert found["audio_received_seconds_total"] == pytest.approx(client.sent_ms / 1000)
        assert found["step_seconds_count"] > 0
        assert found["decode_seconds_count"] > 0
        assert found["stepped_to_decoded_seconds_count"] == found["decode_seconds_count"]
        assert found["ready"] == 1


def test_a_worker_that_hangs_or_dies_is_told() -> None:
    with ServerProcess(*echo_flags()) as server:
        with Client(server.url) as client:
            client.send_audio(spell("one"))
            client.done()
        before = metrics(server)["streams_admitted_total"]
        worker = pid_of(server, "gpu_worker")
        os.kill(worker, signal.SIGSTOP)

        def is_missed() -> bool:
            """In one answer: it is replaced within seconds."""
            answer = get(server, "/readyz")
            return answer.status == 503 and b"worker 0 has not answered" in answer.read()

        wait_until(is_missed, "the worker is missed, and named")
        assert get(server, "/healthz").status == 200
        wait_until(lambda: ready(server)["ready"], "it is replaced")
        wait_until(
            lambda: metrics(server)['process_restarts_total{kind="worker"}'] == 1, "and counted"
        )
        assert metrics(server)["streams_admitted_total"] == before


def pid_of(server: ServerProcess, module: str) -> int:
    """The child of ``server`` that runs a module."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat, open(f"/proc/{name}/cmdline") as command:
                parent = int(stat.read().rpartition(")")[2].split()[1])
                words = command.read().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == server.pid and module in words:
            return int(name)
    raise AssertionError(f"no child runs {module}")


def test_operators_may_have_an_address_of_their_own() -> None:
    port = free_port()
    with ServerProcess(*echo_flags(), "--operator-address", f"{HOST}:{port}") as server:
        for path in ("/metrics", "/status", "/status.json"):
            assert get(server, path).status == 404
            assert get(server, path, port=port).status == 200
        for path in ("/", "/healthz", "/readyz"):
            assert get(server, path).status == 200
            assert get(server, path, port=port).status == 200
        said = refusal_to_start("--operator-address", f"{HOST}:{port}", *echo_flags())
        assert f"cannot listen on {HOST} port {port}" in said
        assert "choose another with --operator-address" in said
        assert server.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        get(server, "/healthz", port=port)


def test_pages_over_tls(tls_server: TlsServer) -> None:
    connection = http.client.HTTPSConnection(
        HOST, tls_server.process.port, timeout=PATIENCE_S, context=tls_server.context
    )
    connection.request("GET", "/")
    page = connection.getresponse()
    assert page.status == 200
    assert page.read().endswith(b"</html>\n")


def test_a_page_takes_no_stream_from_anybody(echo_server: ServerProcess) -> None:
    clients = [Client(echo_server.url) for _ in range(4)]
    assert get(echo_server, "/").status == 200
    assert ready(echo_server) == {
        "ready": True, "not_ready": [], "slots": {"total": 4, "free": 0},
    }  # fmt: skip
    for client in clients:
        client.close()


@pytest.mark.parametrize("level", ["WARNING", "INFO", "DEBUG"])
def test_json_logs_name_the_session_and_never_what_was_said(level: str) -> None:
    environment = {"REALTIME_ENGINE_LOG_FORMAT": "json", "WEBSOCKET_SERVER_LOGLEVEL": level}
    with ServerProcess(*echo_flags(), environment=environment) as server:
        with Client(server.url) as client:
            session = client.ready["msgId"]
            client.send_audio(spell(SECRET))
            assert client.done()["text"] == SECRET
            client.send(f"unknown {SECRET}")
            client.close()
        wait_until(lambda: ready(server)["slots"]["free"] == 4, "the stream has ended")
        os.kill(pid_of(server, "gpu_worker.decoder"), signal.SIGKILL)
        wait_until(lambda: "ended (exit -9)" in server.log, "the supervisor says so")
        log = server.log
    lines = [json.loads(line) for line in log.splitlines()]
    assert lines[0]["message"].startswith("realtime-engine is ready")
    assert SECRET not in log
    of_session = [line["message"] for line in lines if line.get("session") == session]
    assert of_session == ([] if level == "WARNING" else ["stream begins", "stream ends"])
    assert {line["process"] for line in lines} <= {"supervisor", "frontend 0"}
    for line in lines:
        assert {"time", "level", "process", "pid", "logger", "message"} <= line.keys()


def test_metrics_and_status_hold_nothing_that_a_client_sent(echo_server: ServerProcess) -> None:
    with Client(echo_server.url) as client:
        client.send_audio(spell(SECRET))
        client.done()
        refusal(echo_server.url, f"/?{SECRET}=1")
        for path in ("/metrics", "/status.json", "/readyz"):
            body = get(echo_server, path).read().decode()
            assert SECRET not in body
            assert client.ready["msgId"] not in body
