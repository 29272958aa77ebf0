"""What is said of a model server, and when; the connections themselves are tested with processes.

See tests/robustness/test_two_tiers.py.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable

import pytest

from server.tiers.channel import ChannelError
from server.tiers.config import Host
from server.tiers.dialling import State, Visits, _connect_error
from server.tiers.link import Link
from shm.doorbells import Doorbells
from shm.link_line import LinkLine
from shm.plane import Plane
from tests.conformance.server_process import free_port
from tests.conformance.waiting import PATIENCE_S
from tests.server.tiers.examples import KEY


@pytest.fixture
def state(caplog: pytest.LogCaptureFixture) -> State:
    caplog.set_level(logging.INFO, "realtime_engine.link")
    return State("gpu-1:9123")


def test_what_stays_bad_is_said_once(state: State, caplog: pytest.LogCaptureFixture) -> None:
    for message in ("refused", "refused", "refused", "other", "other"):
        state.bad(message)
    state.good("connected")
    state.good("connected")
    state.bad("refused")
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "model server gpu-1:9123: refused"),
        ("WARNING", "model server gpu-1:9123: other"),
        ("WARNING", "model server gpu-1:9123: connected"),
        ("INFO", "model server gpu-1:9123: connected"),
        ("WARNING", "model server gpu-1:9123: refused"),
    ]


def test_what_was_never_bad_need_not_be_said(
    state: State, caplog: pytest.LogCaptureFixture
) -> None:
    state.good("its address is known", quietly=True)
    assert not caplog.records


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    return error


@pytest.mark.parametrize(
    ("error", "said", "lasting"),
    [
        (certificate_error(), "certificate is refused (certificate has expired)", True),
        (ssl.SSLError(1, "wrong version number"), "no TLS can be had", True),
        (TimeoutError(), "does not answer within 5 s", False),
        (ConnectionResetError(104, "Connection reset by peer"), "no TLS can be had", True),
        (ConnectionRefusedError(111, "Connection refused"), "(Connection refused)", False),
    ],
)
def test_a_failed_connect_is_one_line(error: OSError, said: str, lasting: bool) -> None:
    found = _connect_error(error, ssl.create_default_context())
    assert isinstance(found, ChannelError)
    assert said in str(found)
    assert len(str(found).splitlines()) == 1
    assert found.lasting is lasting


def visiting(plane: Plane, host: Host, holds: Callable[[], bool]) -> None:
    """Visits ``host`` until ``holds()``."""

    async def body() -> None:
        link = Link([], LinkLine(plane), 0)
        visits = Visits(link, KEY, None, link.pump)
        task = asyncio.create_task(visits.run([host]))
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                visits.tick()
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(body())


def test_nobody_listens(plane: Plane, bells: Doorbells, caplog: pytest.LogCaptureFixture) -> None:
    visiting(plane, Host("127.0.0.1", free_port()), lambda: "cannot connect" in caplog.text)


def test_nobody_has_that_name(plane: Plane, caplog: pytest.LogCaptureFixture) -> None:
    host = Host("no-such-host.invalid", 9123)
    visiting(plane, host, lambda: "its address cannot be found" in caplog.text)
