"""Losses and reconnecting, of realtime_client/recogniser.py, against a server that fails on cue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

import pytest
from websockets.exceptions import ConnectionClosed

from realtime_client import (
    Backoff,
    ConnectionLost,
    Hypothesis,
    ProtocolError,
    Recogniser,
    Refused,
    ServerError,
)
from realtime_client.outgoing import HELD_S
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

BYTES_PER_MS = 32
SOON = Backoff(attempts=3, first_s=0.002, longest_s=0.002)
AUDIO = b"".join(number.to_bytes(2, "little") for number in range(48_000))  # 3 s


def with_servers(
    *plan: Script | Refusal,
    use: Callable[[Recogniser], Awaitable[None]],
    reconnect: Backoff = SOON,
) -> FakeServer:
    """Runs ``use`` with a stream to a server that does one of ``plan`` per connection."""
    servers: list[FakeServer] = []

    async def test() -> None:
        async with FakeServer(*plan) as server:
            servers.append(server)
            async with Recogniser(server.url, reconnect=reconnect) as recogniser:
                await use(recogniser)

    run(test)
    return servers[0]


async def send_all(recogniser: Recogniser) -> None:
    await recogniser.send(AUDIO)
    await recogniser.finish()
    assert [heard async for heard in recogniser] == []


async def drop_at_once(line: Line) -> None:
    line.drop()


def hear_and_drop(audio_ms: int, *results: dict[str, object]) -> Script:
    """Takes some audio, answers, and is gone."""

    async def script(line: Line) -> None:
        await line.until_audio(audio_ms * BYTES_PER_MS)
        for result in results:
            await line.say(result)
        await line.say(hypothesis("seen", is_final=False))  # dropped with the connection or not
        await line.close(1011)

    return script


def test_what_no_final_covers_is_sent_again() -> None:
    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(AUDIO)
        await recogniser.finish()
        heard = [result async for result in recogniser]
        assert [(result.is_final, result.text) for result in heard if result.text != "seen"] == [
            (True, "one two"), (False, "three"),
        ]  # fmt: skip

    server = with_servers(
        hear_and_drop(
            2000, hypothesis("one two", 100, 350), hypothesis("three", 900, is_final=False)
        ),
        until_closed,
        use=use,
    )  # fmt: skip
    assert server.lines[1].audio == AUDIO[800 * BYTES_PER_MS :]
    assert server.targets[0] == server.targets[1]


def test_times_stay_those_of_the_stream() -> None:
    """Over more than one loss."""

    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(AUDIO)
        finals: list[Hypothesis] = []
        while len(finals) < 3:
            heard = await anext(recogniser)
            finals += [heard] if heard.is_final else []
        times = [(word.start_ms, word.end_ms) for final in finals for word in final.words]
        assert times == [(100, 400), (450, 750), (800, 1100)]
        assert recogniser.finals_until_ms == 1100
        await recogniser.finish()
        await all_of(recogniser)

    def part(start_ms: int) -> Script:
        return hear_and_drop(1500, hypothesis("word", start_ms, 300))

    server = with_servers(part(100), part(50), part(50), until_closed, use=use)
    assert server.lines[3].audio == AUDIO[1100 * BYTES_PER_MS :]


def test_an_unanswered_done_is_asked_again() -> None:
    async def answer(line: Line) -> None:
        await line.until_done()
        await line.say(hypothesis("answered"))
        await line.until_closed()

    async def lose(line: Line) -> None:
        await line.until_done()
        line.drop()

    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(AUDIO)
        await recogniser.done()
        assert (await anext(recogniser)).text == "answered"
        await recogniser.finish()

    server = with_servers(lose, answer, use=use)
    assert server.lines[1].audio == AUDIO
    assert server.lines[1].messages[-1] == "done"


def test_a_loss_while_the_stream_is_being_finished() -> None:
    """All was sent, and the close is not answered properly: the last final may be missing."""

    async def lose_the_final(line: Line) -> None:
        line.answer_closing_with(1011)
        await line.until_closed()

    async def use(recogniser: Recogniser) -> None:
        await send_all(recogniser)

    server = with_servers(lose_the_final, until_closed, use=use)
    assert [line.audio for line in server.lines] == [AUDIO, AUDIO]


def test_a_loss_before_any_audio() -> None:
    server = with_servers(drop_at_once, until_closed, use=send_all)
    assert server.lines[1].audio == AUDIO


def test_a_server_that_is_being_restarted() -> None:
    async def lose(line: Line) -> None:
        await line.until_audio(1000)
        await line.close(1001)

    server = with_servers(lose, Refusal(502), Refusal(503), until_closed, use=send_all)
    assert server.lines[-1].audio == AUDIO
    assert len(server.targets) == 4


def test_it_gives_up_in_the_end() -> None:
    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(AUDIO)
        with pytest.raises(ConnectionLost, match="refused with HTTP 503") as error:
            await all_of(recogniser)
        assert error.value.finals_until_ms == 400
        assert isinstance(error.value.__cause__, Refused)
        with pytest.raises(ConnectionLost):
            await recogniser.send(AUDIO)

    final = hypothesis("word", 100, 300)
    server = with_servers(hear_and_drop(1000, final), *[Refusal(503)] * 9, use=use)
    assert len(server.targets) == 1 + 3


def test_losses_without_progress_count_as_attempts() -> None:
    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(ConnectionLost):
            await anext(recogniser)

    server = with_servers(*[drop_at_once] * 9, use=use)
    assert len(server.targets) == 1 + 3


def test_the_same_results_again_are_no_progress() -> None:
    """Audio that kills the server would otherwise be sent to it for ever."""

    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(ConnectionLost):
            await drain(recogniser)

    partial = hypothesis("and so on", is_final=False)
    server = with_servers(*[hear_and_drop(100, partial)] * 9, use=use)
    assert len(server.targets) == 1 + 3


def test_losses_with_new_finals_do_not_count() -> None:
    server = with_servers(*[hear_and_drop(100, hypothesis("on"))] * 9, until_closed, use=drain)
    assert len(server.targets) == 10


def test_losses_with_new_audio_do_not_count() -> None:
    """Silence gives no finals. What is confirmed counts, a pong of the window at least."""

    def read(seconds: int) -> Script:
        return hear_and_drop(1000 * seconds)

    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(bytes(40 * 1000 * BYTES_PER_MS))
        await recogniser.finish()
        await all_of(recogniser)

    once = Backoff(attempts=1, first_s=0.002, longest_s=0.002)
    plan = [read(seconds) for seconds in (12, 24, 36)]
    assert len(with_servers(*plan, until_closed, use=use, reconnect=once).targets) == 4


def test_silence_is_not_kept_for_ever() -> None:
    silence_s = HELD_S + 2 * UNREAD_S

    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(bytes(silence_s * 1000 * BYTES_PER_MS))
        await recogniser.finish()
        await all_of(recogniser)

    server = with_servers(hear_and_drop(1000 * silence_s), until_closed, use=use)
    again_s = len(server.lines[1].audio) / BYTES_PER_MS / 1000
    assert HELD_S <= again_s <= HELD_S + UNREAD_S


async def drain(recogniser: Recogniser) -> None:
    await recogniser.send(AUDIO)
    await recogniser.finish()
    await all_of(recogniser)


async def all_of(recogniser: Recogniser) -> list[Hypothesis]:
    return [heard async for heard in recogniser]


@pytest.mark.parametrize("code", [400, 401, 404])
def test_what_does_not_go_away_by_itself_is_raised(code: int) -> None:
    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(Refused, match=str(code)):
            await anext(recogniser)

    server = with_servers(drop_at_once, Refusal(code), until_closed, use=use)
    assert len(server.targets) == 2


@pytest.mark.parametrize(
    ("message", "error"), [(status("error", "no"), ServerError), ("nonsense", ProtocolError)]
)
def test_an_error_is_no_loss(message: dict[str, object] | str, error: type[Exception]) -> None:
    async def complain(line: Line) -> None:
        await line.say(message)
        await line.until_closed()

    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(error):
            await anext(recogniser)

    server = with_servers(drop_at_once, complain, until_closed, use=use)
    assert len(server.targets) == 2


def test_it_waits_as_long_as_it_is_asked_and_by_its_back_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []

    async def note(delay_s: float) -> None:
        slept.append(delay_s)

    monkeypatch.setattr("realtime_client.recogniser.sleep", note)
    numbers = count()
    backoff = Backoff(attempts=5, first_s=1.0, random=lambda: next(numbers) % 2)
    server = with_servers(
        drop_at_once,
        Refusal(503, b"", {"Retry-After": "7"}),
        Refusal(503, b"", {"Retry-After": "0"}),
        Refusal(503),
        until_closed,
        use=send_all,
        reconnect=backoff,
    )
    assert slept == [1.0, 7, 4.0, 4.0]
    assert server.lines[-1].audio == AUDIO


def test_sending_waits_while_there_is_no_connection() -> None:
    """What is kept meanwhile is bounded."""

    async def test() -> None:
        lost = asyncio.Event()

        async def lose(line: Line) -> None:
            line.drop()
            lost.set()

        async with FakeServer(lose, until_closed) as server:
            slow = Backoff(attempts=1, first_s=0.4, random=lambda: 0.0)
            async with Recogniser(server.url, reconnect=slow) as recogniser:
                await lost.wait()
                sending = asyncio.create_task(recogniser.send(AUDIO * 10))
                await asyncio.sleep(0.1)
                assert not sending.done()
                await sending
                await recogniser.finish()
                assert [heard async for heard in recogniser] == []
        assert server.lines[-1].audio == AUDIO * 10

    run(test)


def test_leaving_while_it_connects_again() -> None:
    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await recogniser.send(AUDIO)

    with_servers(drop_at_once, until_closed, use=use, reconnect=Backoff(first_s=30.0))


# -- a server that keeps the session


def with_session(audio_bytes: int, dones: int, then: Script) -> Script:
    """``ready`` with a session of which so much was received."""

    async def script(line: Line) -> None:
        session = {"session": "token", "audioBytes": audio_bytes, "dones": dones}
        await line.say(status("ready", "Websocket ready.") | session)
        await then(line)

    return script


def with_keeping_servers(
    *plan: Script | Refusal, use: Callable[[Recogniser], Awaitable[None]]
) -> FakeServer:
    servers: list[FakeServer] = []

    async def test() -> None:
        async with FakeServer(*plan, says_ready=False) as server:
            servers.append(server)
            async with Recogniser(server.url, reconnect=SOON) as recogniser:
                await use(recogniser)

    run(test)
    return servers[0]


def lose_after(*results: dict[str, object], audio_ms: int = 1000) -> Script:
    async def script(line: Line) -> None:
        await line.until_audio(audio_ms * BYTES_PER_MS)
        for result in results:
            await line.say(result)
        await line.read()
        line.drop()

    return script


def test_a_kept_session_gets_what_it_has_not_received_and_times_stay() -> None:
    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(AUDIO)
        await recogniser.finish()
        heard = [result async for result in recogniser]
        assert [(h.text, h.words[0].start_ms) for h in heard] == [("one", 100), ("two", 500)]

    async def answer(line: Line) -> None:
        await line.say(hypothesis("two", 500))
        await line.until_closed()

    server = with_keeping_servers(
        with_session(0, 0, lose_after(hypothesis("one", 100))),
        with_session(700 * BYTES_PER_MS, 0, answer),
        use=use,
    )
    assert server.lines[1].audio == AUDIO[700 * BYTES_PER_MS :]
    assert server.targets[0].endswith("&session=new")
    assert server.targets[1].endswith("&session=token&lastMsgId=1")


def test_a_session_that_is_gone_begins_anew_at_the_last_final() -> None:
    server = with_keeping_servers(
        with_session(0, 0, lose_after(hypothesis("one", 100, 300))),
        Refusal(503),
        Refusal(410),
        with_session(0, 0, until_closed),
        use=send_and_take,
    )
    assert server.lines[1].audio == AUDIO[400 * BYTES_PER_MS :]
    assert ["session=token" in target for target in server.targets] == [False, True, True, False]


def test_a_session_that_the_server_has_closed_is_not_asked_for() -> None:
    async def close(line: Line) -> None:
        await line.until_audio(1000)
        await line.close(1001)

    server = with_keeping_servers(
        with_session(0, 0, close), with_session(0, 0, until_closed), use=send_and_take
    )
    assert [target.endswith("session=new") for target in server.targets] == [True, True]


def test_a_server_that_has_more_than_was_sent_is_no_server_of_this_protocol() -> None:
    async def use(recogniser: Recogniser) -> None:
        with pytest.raises(ProtocolError, match="what was not sent"):
            await drain(recogniser)

    more = len(AUDIO) + 2
    with_keeping_servers(
        with_session(0, 0, lose_after()), with_session(more, 0, until_closed), use=use
    )


def test_leaving_ends_the_session() -> None:
    """The server sees a close frame, and keeps nothing for a client that will not come."""
    codes: list[int | None] = []

    async def see_the_end(line: Line) -> None:
        with suppress(ConnectionClosed):
            await line.until_closed()
        codes.append(line.close_code)

    async def use(recogniser: Recogniser) -> None:
        await recogniser.send(AUDIO[:1000])

    with_keeping_servers(with_session(0, 0, see_the_end), use=use)
    assert codes == [1001]


async def send_and_take(recogniser: Recogniser) -> None:
    await recogniser.send(AUDIO)
    await recogniser.finish()
    await all_of(recogniser)
