"""deploy/image/probe.py: is the server in this container ready, and does it have streams?"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.image.probe import address, open_streams
from realtime_client import Recogniser
from server.config import SERVE_SETTINGS
from tests.conformance.conftest import echo_flags
from tests.conformance.server_process import ROOT, ServerProcess, free_port
from tests.conformance.waiting import PATIENCE_S

PROBE: Final = ROOT / "deploy" / "image" / "probe.py"


def probe(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROBE), *arguments],
        env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> Iterator[ServerProcess]:
    with ServerProcess(*echo_flags()) as process:
        yield process


@pytest.fixture(scope="module")
def secure(certificate: tuple[Path, Path]) -> Iterator[ServerProcess]:
    cert, key = map(str, certificate)
    environment = {"SSL_CERT_PATH": cert, "SSL_CERT_KEY": key}
    with ServerProcess(*echo_flags(), environment=environment, scheme="wss") as process:
        yield process


def variables(server: ServerProcess) -> dict[str, str]:
    """Those that a container of that server has."""
    tls = {"SSL_CERT_PATH": "chain.pem"} if server.url.startswith("wss") else {}
    return {"REALTIME_ENGINE_PORT": str(server.port), **tls}


def test_the_variables_are_those_of_the_server() -> None:
    known = {setting.variable: setting.default for setting in SERVE_SETTINGS}
    assert {"REALTIME_ENGINE_PORT", "SSL_CERT_PATH"} <= set(known)
    assert address({}) == f"http://127.0.0.1:{known['REALTIME_ENGINE_PORT']}/readyz"
    assert address({"SSL_CERT_PATH": "x", "REALTIME_ENGINE_PORT": "1"}).startswith("https://")
    for given, asked in (
        (":9100", "127.0.0.1:9100"),
        ("0.0.0.0:9100", "127.0.0.1:9100"),
        ("[::1]:9100", "[::1]:9100"),
        ("10.0.0.7:9100", "10.0.0.7:9100"),
    ):
        environment = {"REALTIME_ENGINE_OPERATOR_ADDRESS": given, "SSL_CERT_PATH": "x"}
        assert address(environment) == f"http://{asked}/readyz"


def test_open_streams() -> None:
    assert open_streams({"slots": {"total": 4, "free": 3}}) == 1


@pytest.mark.server
@pytest.mark.parametrize("kind", ["plain", "secure"])
def test_ready(request: pytest.FixtureRequest, kind: str) -> None:
    ran = probe("ready", environment=variables(request.getfixturevalue(kind)))
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.server
def test_idle_waits_for_the_last_stream(plain: ServerProcess) -> None:
    async def test() -> None:
        command = [sys.executable, str(PROBE), "idle", "--within", str(PATIENCE_S)]
        async with Recogniser(plain.url):
            waiting = await asyncio.create_subprocess_exec(*command, env=variables(plain))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(waiting.wait(), 1.5)
        assert await asyncio.wait_for(waiting.wait(), PATIENCE_S) == 0

    asyncio.run(test())


@pytest.mark.server
def test_idle_does_not_wait_for_ever(plain: ServerProcess) -> None:
    async def test() -> None:
        async with Recogniser(plain.url):
            ran = await asyncio.to_thread(
                probe, "idle", "--within", "0.2", environment=variables(plain)
            )
            assert (ran.returncode, ran.stderr) == (0, "")

    asyncio.run(test())


@pytest.mark.server
def test_idle_may_have_to_last(plain: ServerProcess) -> None:
    """Until a cluster has stopped sending streams. No proxy stands before the loopback."""
    environment = variables(plain) | {"http_proxy": "http://127.0.0.1:1"}
    options = ("--settle", "2", "--within", str(PATIENCE_S))
    began_s = time.monotonic()
    assert probe("idle", *options, environment=environment).returncode == 0
    assert time.monotonic() - began_s >= 2
    assert probe("ready", environment=environment).returncode == 0


def test_nobody_there() -> None:
    environment = {"REALTIME_ENGINE_PORT": str(free_port())}
    ready = probe("ready", environment=environment)
    assert ready.returncode == 1
    assert "/readyz" in ready.stderr
    assert probe("idle", "--within", "60", environment=environment).returncode == 0


def test_something_else_is_not_ready() -> None:
    environment = os.environ | {"REALTIME_ENGINE_PORT": "no port"}
    assert probe("ready", environment=environment).returncode == 1
