"""What happens to a stream that finds no proper server; the rest is tested through the command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tools.loadtest.clips import Clip
from tools.loadtest.gathering import Gathering
from tools.loadtest.schedule import Excerpt
from tools.loadtest.stream import StreamPlan, Target, play_stream
from tools.loadtest.tally import Fault, Tally

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def _speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    writer.close()


async def _play_against(handler: Handler, timeout_s: float) -> Tally:
    tally = Tally()
    async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        clips = [Clip("clip", bytes(3200), None)]
        target = Target(f"ws://{host}:{port}/", 8000, timeout_s, clips)
        plan = StreamPlan(1, asyncio.get_running_loop().time(), [Excerpt(0, 1600)])
        await play_stream(plan, target, tally, Gathering(1))
    return tally


@pytest.mark.parametrize(("handler", "timeout_s"), [(_close, 30.0), (_say_nothing, 0.2)])
def test_a_server_that_does_not_speak_the_protocol_is_a_failed_connection(
    handler: Handler, timeout_s: float
) -> None:
    tally = asyncio.run(_play_against(handler, timeout_s))
    assert tally.faults[Fault.UNREACHABLE].total() == 1
    assert all(tally.faults[Fault.UNREACHABLE])  # a reason, whatever it is
    assert tally.streams_ended == 1
    assert tally.turns == []


def test_an_http_answer_is_a_refusal_with_its_status() -> None:
    tally = asyncio.run(_play_against(_speak_http, 30.0))
    assert dict(tally.faults[Fault.REFUSED]) == {"HTTP 404: Not Found": 1}


def test_a_key_goes_with_every_request() -> None:
    target = Target("ws://host/", 8000, 1.0, [], api_key="a-key")
    assert target.headers == {"Authorization": "Bearer a-key"}
    assert Target("ws://host/", 8000, 1.0, []).headers == {}
