"""realtime_client/recogniser.py: a stream on one connection. Losses are in test_reconnecting.py."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from realtime_client import (
    AudioError,
    Backoff,
    ConnectionLost,
    ProtocolError,
    Recogniser,
    RecogniserError,
    Refused,
    ServerError,
)
from realtime_client.recogniser import UNREAD_S
from tests.realtime_client.fake_server import (
    FakeServer,
    Line,
    Refusal,
    Script,
    hypothesis,
    run,
    status,
    until_closed,
)

SECOND = bytes(32_000)


def with_server(script: Script | Refusal, use: Callable[[Recogniser], Awaitable[None]]) -> Line:
    """Runs ``use`` with a stream to a server that follows ``script``; the server's end of it."""
    lines: list[Line] = []

    async def test() -> None:
        async with FakeServer(script) as server, Recogniser(server.url) as recogniser:
            await use(recogniser)
        lines.extend(server.lines)

    run(test)
    return lines[0]


async def texts(recogniser: Recogniser) -> list[str]:
    return [hypothesis.text async for hypothesis in recogniser]


def test_audio_and_done_arrive_in_order_and_the_end_is_proper() -> None:
    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(b"abc")
        await recogniser.send(b"d")
        await recogniser.done()
        await recogniser.send(b"e" * 10_000)
        await recogniser.finish()
        assert await texts(recogniser) == []

    line = with_server(until_closed, use)
    at = line.messages.index("done")
    assert b"".join(line.messages[:at]) == b"abcd"  # type: ignore[arg-type]
    assert [len(m) for m in line.messages[at + 1 :]] == [4096, 4096, 1808]


async def answer_each_done(line: Line) -> None:
    for number in range(1, 4):
        while line.messages.count("done") < number:
            await line.read()
        await line.say(hypothesis(f"partial {number}", is_final=False))
        await line.say(hypothesis(f"final {number}"))
    await line.until_closed()


def test_results_can_be_taken_one_by_one() -> None:
    async def use(recogniser: Recogniser) -> None:
        for number in range(1, 4):
            await recogniser.send(SECOND)
            await recogniser.done()
            async for heard in recogniser:
                if heard.is_final:
                    break
            assert heard.text == f"final {number}"
        await recogniser.finish()
        assert await texts(recogniser) == []
        assert await texts(recogniser) == [], "the end stays the end"

    with_server(answer_each_done, use)


def test_results_can_be_taken_after_everything_was_sent() -> None:
    async def use(recogniser: Recogniser) -> None:
        for _ in range(3):
            await recogniser.send(SECOND)
            await recogniser.done()
        await recogniser.finish()
        assert await texts(recogniser) == [
            f"{kind} {number}" for number in range(1, 4) for kind in ("partial", "final")
        ]

    with_server(answer_each_done, use)


def test_received_does_not_wait() -> None:
    async def use(recogniser: Recogniser) -> None:
        assert recogniser.received() == []
        await recogniser.done()
        await anext(recogniser)
        await recogniser.done()
        await recogniser.done()
        await recogniser.finish()
        rest = [await anext(recogniser)]
        while len(rest) < 5:
            await asyncio.sleep(0)
            rest += recogniser.received()
        assert [heard.text for heard in rest][-1] == "final 3"
        assert recogniser.received() == []
        assert await texts(recogniser) == []
        assert recogniser.received() == []

    with_server(answer_each_done, use)


def test_a_server_that_reads_nothing_holds_up_send() -> None:
    """And no more is sent than is confirmed; what it then reads is complete."""

    async def use(recogniser: Recogniser) -> None:
        sending = asyncio.create_task(recogniser.send(SECOND * 60))
        async for _ in recogniser:
            break
        assert not sending.done()
        await sending
        await recogniser.finish()
        assert await texts(recogniser) == []

    async def read_late(line: Line) -> None:
        line.hold_pongs()
        await line.until_audio(UNREAD_S * 32_000 // 2)
        await line.say(hypothesis("here", is_final=False))
        while await line.read_if_it_comes():
            pass
        assert len(line.audio) <= (UNREAD_S + 1) * 32_000
        await line.release_pongs()
        await line.until_closed()

    line = with_server(read_late, use)
    assert line.audio == SECOND * 60


def test_an_odd_byte_is_an_error_at_the_end() -> None:
    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(b"abc")
        with pytest.raises(AudioError, match="an odd number of bytes"):
            await recogniser.finish()
        assert await texts(recogniser) == []

    assert with_server(until_closed, use).audio == b"ab"


def test_the_last_final_may_take_longer_than_a_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes after the client's close frame and before the server's."""
    monkeypatch.setattr("realtime_client.connecting.CLOSE_TIMEOUT_S", 0.02)

    async def finalise_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol()
        while protocol.close_rcvd is None:
            protocol.receive_data(await reader.read(65_536))
            for event in protocol.events_received():
                if isinstance(event, Request):
                    protocol.send_response(protocol.accept(event))
                    protocol.send_text(json.dumps(status("ready", "")).encode())
            replies = protocol.data_to_send()
            if protocol.close_rcvd is not None:
                await asyncio.sleep(0.2)
                final = json.dumps(hypothesis("at last")).encode()
                replies.insert(0, Frame(Opcode.TEXT, final).serialize(mask=False))
            writer.writelines(replies)
        writer.close()

    async def test() -> None:
        async with await asyncio.start_server(finalise_late, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with Recogniser(f"ws://127.0.0.1:{port}") as recogniser:
                await recogniser.send(SECOND)
                await recogniser.finish()
                assert await texts(recogniser) == ["at last"]

    run(test)


def test_nothing_can_be_sent_after_the_end() -> None:
    async def use(recogniser: Recogniser) -> None:
        await recogniser.finish()
        for late in (recogniser.send(b"ab"), recogniser.done()):
            with pytest.raises(RecogniserError, match="nothing can be sent any more"):
                await late
        await recogniser.finish()

    with_server(until_closed, use)


def test_bad_audio_does_not_end_the_stream() -> None:
    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(AudioError):
            await recogniser.send("hello")  # type: ignore[arg-type]
        await recogniser.send(b"ab")
        await recogniser.finish()
        assert await texts(recogniser) == []

    assert with_server(until_closed, use).audio == b"ab"


def test_an_error_of_the_server_comes_after_what_it_sent_before() -> None:
    async def limit(line: Line) -> None:
        await line.until_audio(2)
        await line.say(hypothesis("so far"))
        await line.say(status("rate_limited", "too much"))
        await line.close(1009)

    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(b"ab")
        assert (await anext(recogniser)).text == "so far"
        with pytest.raises(ServerError, match="rate_limited: too much"):
            await anext(recogniser)
        for late in (recogniser.send(b"ab"), recogniser.done(), recogniser.finish()):
            with pytest.raises(ServerError):
                await late
        with pytest.raises(ServerError):
            recogniser.received()

    with_server(limit, use)


@pytest.mark.parametrize("message", ["nonsense", b"bytes", "{}"])
def test_nonsense_of_the_server(message: str | bytes) -> None:
    async def talk(line: Line) -> None:
        await line.say(message)
        await line.until_closed()

    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(ProtocolError):
            await anext(recogniser)

    with_server(talk, use)


async def drop(line: Line) -> None:
    line.drop()


@pytest.mark.parametrize("how", [drop, *(
    lambda line, code=code: line.close(code) for code in (1000, 1001, 1011)
)])  # fmt: skip
def test_a_loss_says_how_far_finals_have_come(how: Callable[[Line], Awaitable[None]]) -> None:
    """Also a proper close, as long as the stream is not finished."""

    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(SECOND)
        with pytest.raises(ConnectionLost, match="the connection was lost") as error:
            await texts(recogniser)
        assert error.value.finals_until_ms == 600
        assert recogniser.finals_until_ms == 600
        with pytest.raises(ConnectionLost):
            await recogniser.send(SECOND)

    async def lose(line: Line) -> None:
        await line.until_audio(32_000)
        await line.say(hypothesis("one two", word_ms=300))
        await line.say(hypothesis("three", 700, is_final=False))
        await how(line)

    with_server(lose, use)


def test_a_loss_wakes_a_send_that_waits() -> None:
    async def stall(line: Line) -> None:
        line.hold_pongs()
        await line.until_audio(UNREAD_S * 32_000 // 2)
        line.drop()

    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(ConnectionLost):
            await recogniser.send(SECOND * 120)

    with_server(stall, use)


@pytest.mark.parametrize("sends", [False, True])
def test_leaving_early_drops_the_connection(sends: bool) -> None:
    async def test() -> None:
        dropped = asyncio.Event()

        async def expect_the_drop(line: Line) -> None:
            with pytest.raises(ConnectionClosedError, match="no close frame received"):
                await line.until_closed()
            dropped.set()

        async with FakeServer(expect_the_drop) as server:
            async with Recogniser(server.url) as recogniser:
                if sends:
                    await recogniser.send(SECOND * 5)
            await dropped.wait()
            for late in (recogniser.send(b"ab"), anext(recogniser)):
                with pytest.raises(RecogniserError, match="the stream was left"):
                    await late

    run(test)


def test_a_recogniser_is_one_stream() -> None:
    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(RecogniserError, match="make a new one"):
            await recogniser.__aenter__()

    with_server(until_closed, use)


def test_outside_of_its_block_it_says_so() -> None:
    async def test() -> None:
        recogniser = Recogniser("ws://localhost")
        for early in (
            recogniser.send(b"ab"), recogniser.done(), recogniser.finish(), anext(recogniser),
        ):  # fmt: skip
            with pytest.raises(RecogniserError, match="use it in an `async with` block"):
                await early

    run(test)


def test_a_refusal_is_raised_on_entering_even_with_reconnect() -> None:
    async def test() -> None:
        async with FakeServer(Refusal(503)) as server:
            with pytest.raises(Refused):
                async with Recogniser(server.url, reconnect=Backoff()):
                    pass
        assert len(server.targets) == 1

    run(test)


def test_bad_options_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="sample_rate_hz must be from 8000 to 48000"):
        Recogniser("ws://localhost", sample_rate_hz=96_000)
