"""deploy/haproxy/: HAProxy takes the configuration, and streams go through it as they should."""

from __future__ import annotations

import asyncio
import functools
import http.client
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from types import TracebackType

import pytest

from realtime_client import Backoff, ConnectionLost, Hypothesis, Recogniser, Refused, transcribe
from tests.conformance.client import Client, RawClient, query
from tests.conformance.conftest import FEW_SLOTS, echo_flags
from tests.conformance.server_process import HOST, ServerProcess, free_port
from tests.conformance.spelling import ENDPOINT_S, RATE_HZ, numbered_words, silence, spell
from tests.conformance.waiting import PATIENCE_S, wait_until
from tests.deploy.balancer import CONFIGURATION, HAPROXY, NEEDED, Balancer

pytestmark = pytest.mark.skipif(HAPROXY is None, reason=NEEDED)

SOON = Backoff(attempts=100, first_s=0.05, longest_s=0.2)
SLOTS = int(FEW_SLOTS)
CLIENTS = 4
LEAST_UTTERANCES = 3
"""Of each client, however soon the restart is over."""


class Restartable:
    """A server with the spelling model that keeps its port from one start to the next."""

    def __init__(self) -> None:
        self.port = free_port()

    def __enter__(self) -> Restartable:
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._process = ServerProcess(*echo_flags())
        self._process.port = self.port
        self._process.__enter__()

    def stop(self) -> int:
        return self._process.stop()

    def kill(self) -> None:
        self._process.kill()


@pytest.fixture(scope="module")
def second() -> Iterator[Restartable]:
    """The server that is stopped and killed: starting one takes seconds."""
    with Restartable() as server:
        yield server


@pytest.fixture(scope="module")
def first() -> Iterator[ServerProcess]:
    with ServerProcess(*echo_flags()) as server:
        yield server


@pytest.fixture(scope="module")
def running(first: ServerProcess, second: Restartable) -> Iterator[Balancer]:
    with Balancer({"ws1": first.port, "ws2": second.port}) as balancer:
        yield balancer


@pytest.fixture
def balancer(running: Balancer) -> Iterator[Balancer]:
    """With no stream of an earlier test, and left as it was found, whatever a test did to it."""
    wait_until(
        lambda: running.streams("ws1") + running.streams("ws2") == 0, "no stream is left on it"
    )
    yield running
    for server in ("ws1", "ws2"):
        running.command(f"set server websocket/{server} state ready")
        running.command(f"set server websocket/{server} weight 1")


@pytest.mark.parametrize("environment", [{}, {"TLS_CERTIFICATE": "pair.pem"}])
def test_haproxy_takes_the_configuration(
    certificate: tuple[Path, Path], tmp_path: Path, environment: dict[str, str]
) -> None:
    assert HAPROXY is not None
    (tmp_path / "pair.pem").write_text("".join(path.read_text() for path in certificate))
    checked = subprocess.run(
        [HAPROXY, "-c", "-f", str(CONFIGURATION)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.server
def test_streams_are_spread(balancer: Balancer) -> None:
    async def test() -> None:
        async with Recogniser(balancer.url), Recogniser(balancer.url):
            assert [balancer.streams(name) for name in ("ws1", "ws2")] == [1, 1]

    asyncio.run(test())


@pytest.mark.server
def test_clients_come_back_to_the_server_that_has_their_session(balancer: Balancer) -> None:
    """Also those that it would now send to another one."""
    asked = f"{query()}&session=new"
    with ExitStack() as opened:
        lines = [opened.enter_context(RawClient(balancer.url, asked)) for _ in range(CLIENTS)]
        tokens = []
        for line in lines:
            line.send(line.handshake)
            tokens.append(next(line.messages())["session"])
        assert [balancer.streams(name) for name in ("ws1", "ws2")] == [CLIENTS // 2] * 2
        for line, token in zip(reversed(lines), reversed(tokens), strict=True):
            line.vanish()
            with Client(balancer.url, f"{query()}&session={token}") as back:
                back.send_audio(spell("back again"))
                assert back.done()["text"] == "back again"
                assert back.ready["session"] == token


@pytest.mark.server
def test_pages_for_operators_are_not_for_clients(balancer: Balancer) -> None:
    hidden = ("healthz", "readyz", "metrics", "status", "status.json")
    for page, status in (("", 200), *((page, 404) for page in hidden)):
        connection = http.client.HTTPConnection(HOST, balancer.ports[80], timeout=PATIENCE_S)
        connection.request("GET", f"/{page}")
        assert connection.getresponse().status == status
        connection.close()


@pytest.mark.server
def test_tls(first: ServerProcess, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    pair = tmp_path / "pair.pem"
    pair.write_text("".join(path.read_text() for path in certificate))
    with Balancer({"ws1": first.port}, {"TLS_CERTIFICATE": str(pair)}) as balancer:

        async def test() -> str:
            url = f"wss://{HOST}:{balancer.ports[443]}"
            context = ssl.create_default_context(cafile=certificate[0])
            heard = await transcribe(url, spell("good bye"), sample_rate_hz=RATE_HZ, ssl=context)
            return heard.text

        assert asyncio.run(test()) == "good bye"
        connection = http.client.HTTPConnection(HOST, balancer.ports[80], timeout=PATIENCE_S)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"][:8]) == (302, "https://")
        connection.close()


@pytest.mark.server
def test_the_model_tier_passes_bytes_on(first: ServerProcess) -> None:
    """TCP, whatever goes over it: here a WebSocket, on the port for model servers."""
    with Balancer({"model1": first.port}) as balancer:
        url = f"ws://{HOST}:{balancer.ports[9123]}"
        heard = asyncio.run(transcribe(url, spell("good bye"), sample_rate_hz=RATE_HZ))
        assert heard.text == "good bye"


@pytest.mark.server
def test_a_full_server_passes_the_stream_on(balancer: Balancer) -> None:
    async def test() -> None:
        balancer.command("set server websocket/ws1 state drain")
        async with AsyncExitStack() as streams:
            for _ in range(SLOTS):
                await streams.enter_async_context(Recogniser(balancer.url))
            assert balancer.streams("ws2") == SLOTS
            with pytest.raises(Refused) as refused:
                await streams.enter_async_context(Recogniser(balancer.url))
            assert refused.value.status_code == 503
            assert refused.value.retry_after_s is not None
            balancer.command("set server websocket/ws1 state ready")
            balancer.command("set server websocket/ws1 weight 1")
            balancer.command("set server websocket/ws2 weight 256")  # so it is asked first
            await streams.enter_async_context(Recogniser(balancer.url))
            assert [balancer.streams(name) for name in ("ws1", "ws2")] == [1, SLOTS]

    asyncio.run(test())


@pytest.mark.server
def test_draining_and_restarting_a_server_disturbs_nobody(
    balancer: Balancer, second: Restartable
) -> None:
    """Clients come and go all the while; every one of them gets every word."""
    restarted = threading.Event()

    async def client(number: int) -> None:
        utterances = 0
        while not restarted.is_set() or utterances < LEAST_UTTERANCES:
            words = numbered_words(number * 1000 + utterances * 10, 10)
            heard = await transcribe(balancer.url, spell(words), sample_rate_hz=RATE_HZ)
            assert heard.text == words
            utterances += 1

    def restart() -> None:
        balancer.command("set server websocket/ws2 state drain")
        wait_until(lambda: balancer.streams("ws2") == 0, "no stream is left on the server")
        assert second.stop() == 0
        second.start()
        balancer.command("set server websocket/ws2 state ready")
        balancer.wait_for("ws2", "UP")
        wait_until(lambda: balancer.streams("ws2") > 0, "streams come to the new server")
        restarted.set()

    async def test() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(client(number))
            group.create_task(asyncio.to_thread(restart))

    asyncio.run(test())


@pytest.mark.server
def test_killing_a_server_cuts_its_streams_and_clients_come_back(
    balancer: Balancer, second: Restartable
) -> None:
    """Two streams on each server, one of which is killed in the middle of an utterance.

    Without ``reconnect`` a client is told up to where it has finals. With it, nothing is missing.
    """
    before, after = numbered_words(1, 10), numbered_words(500, 10)
    finals: dict[int, int] = {}
    killed = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield spell(before).tobytes() + silence(ENDPOINT_S).tobytes()
        rest = spell(after).tobytes()
        middle = len(rest) // 4 * 2
        yield rest[:middle]
        await killed.wait()
        yield rest[middle:] + silence(ENDPOINT_S).tobytes()

    async def stream(number: int, reconnect: Backoff | None) -> str:
        def note(hypothesis: Hypothesis) -> None:
            if hypothesis.is_final:
                finals[number] = finals.get(number, 0) + 1
            if len(finals) == 4 and not killed.is_set():
                second.kill()
                killed.set()

        heard = await transcribe(
            balancer.url, pieces(), sample_rate_hz=RATE_HZ, reconnect=reconnect, on_progress=note
        )
        return heard.text

    def has(streams: int) -> bool:
        return balancer.streams("ws1") + balancer.streams("ws2") == streams

    async def test() -> list[str | BaseException]:
        tasks: list[asyncio.Task[str]] = []
        for number, plan in enumerate([None, None, SOON, SOON]):
            # Only when those before are connected: so the servers take turns, and each has one
            # stream of each kind.
            await asyncio.to_thread(
                wait_until, functools.partial(has, number), "they are connected"
            )
            tasks.append(asyncio.create_task(stream(number, plan)))
        return await asyncio.gather(*tasks, return_exceptions=True)

    heard = asyncio.run(asyncio.wait_for(test(), PATIENCE_S))
    whole = f"{before} {after}"
    assert heard[2:] == [whole, whole]
    lost = [one for one in heard[:2] if isinstance(one, ConnectionLost)]
    assert len(lost) == 1
    assert lost[0].finals_until_ms > 0
    assert [one for one in heard[:2] if one is not lost[0]] == [whole]
