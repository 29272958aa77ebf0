"""realtime_client/connecting.py: connections that are made, refused, and not to be had."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from websockets.exceptions import ConnectionClosedError

from realtime_client.connecting import is_worth_another_try, open_connection
from realtime_client.errors import ProtocolError, Refused, ServerError, Unreachable
from realtime_client.settings import Settings
from tests.realtime_client.fake_server import (
    FakeServer,
    Line,
    Refusal,
    hypothesis,
    run,
    status,
    until_closed,
)


def test_a_connection_is_ready_when_it_is_there() -> None:
    async def test() -> None:
        async with FakeServer(until_closed) as server:
            connection, session = await open_connection(Settings(server.url, text2int=True))
            assert session is None
            await connection.close()
        assert server.targets == ["/?downsample=True&sampleRate=16000&text2int=True"]

    run(test)


def refused(refusal: Refusal) -> Refused:
    """What `open_connection` raises for it."""
    found: list[Refused] = []

    async def test() -> None:
        async with FakeServer(refusal) as server:
            with pytest.raises(Refused) as error:
                await open_connection(Settings(server.url))
            found.append(error.value)

    run(test)
    return found[0]


def test_a_refusal_tells_what_the_server_tells() -> None:
    body = json.dumps({"status": "service_unavailable", "info": "All in use.", "msgId": "1"})
    error = refused(Refusal(503, body.encode(), {"Retry-After": "2"}))
    assert (error.status_code, error.reason, error.retry_after_s) == (503, "All in use.", 2)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"info": 3}', b"\xff", b"3"])
def test_a_refusal_by_something_else(body: bytes) -> None:
    error = refused(Refusal(502, body))
    assert (error.status_code, error.reason, error.retry_after_s) == (502, "Bad Gateway", None)


def test_a_date_to_come_back_at_is_passed_over() -> None:
    error = refused(Refusal(503, b"", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    assert error.retry_after_s is None


def greeted(message: dict[str, object] | str, expected: type[Exception], says: str) -> None:
    """Such a greeting is an error, and the connection does not stay open."""

    async def test() -> None:
        dropped = asyncio.Event()

        async def greet(line: Line) -> None:
            await line.say(message)
            with pytest.raises(ConnectionClosedError):
                await line.until_closed()
            dropped.set()

        async with FakeServer(greet, says_ready=False) as server:
            with pytest.raises(expected, match=says):
                await open_connection(Settings(server.url))
            await dropped.wait()

    run(test)


def test_a_greeting_that_is_an_error() -> None:
    greeted(status("error", "no engine"), ServerError, "error: no engine")


def test_a_greeting_that_is_a_result() -> None:
    greeted(hypothesis("hello"), ProtocolError, "the first message is not ready but a hypothesis")


def test_a_greeting_of_another_kind() -> None:
    greeted("welcome to the chat", ProtocolError, "not JSON: 'welcome to the chat'")


def test_no_greeting() -> None:
    async def test() -> None:
        async with FakeServer(until_closed, says_ready=False) as server:
            with pytest.raises(Unreachable, match=r"no answer within 0.2 s"):
                await open_connection(Settings(server.url, open_timeout_s=0.2))

    run(test)


def test_a_connection_that_is_closed_before_the_greeting() -> None:
    async def close(line: Line) -> None:
        await line.close(1011)

    async def test() -> None:
        async with FakeServer(close, says_ready=False) as server:
            with pytest.raises(Unreachable, match="1011"):
                await open_connection(Settings(server.url))

    run(test)


def test_a_server_that_speaks_no_websocket() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 smtp\r\n")
        writer.close()

    async def test() -> None:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(Unreachable, match=f"cannot connect to {re.escape(url)}"):
                await open_connection(Settings(url))

    run(test)


def test_nobody_listens() -> None:
    async def test() -> None:
        async with FakeServer() as server:
            pass
        with pytest.raises(Unreachable, match="cannot connect"):
            await open_connection(Settings(server.url))

    run(test)


@pytest.mark.parametrize(("code", "worth"), [(400, False), (401, False), (404, False),
                                             (429, True), (502, True), (503, True)])  # fmt: skip
def test_what_may_go_away_by_itself(code: int, worth: bool) -> None:
    assert is_worth_another_try(Refused(code, "")) == worth
    assert is_worth_another_try(Unreachable(""))
