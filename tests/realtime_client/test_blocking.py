"""realtime_client/blocking.py: the same, waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from realtime_client import (
    AudioError,
    Backoff,
    BlockingRecogniser,
    ConnectionLost,
    Hypothesis,
    Refused,
    transcribe_file,
)
from tests.realtime_client.fake_server import (
    PATIENCE_S,
    FakeServer,
    Line,
    Refusal,
    Script,
    hypothesis,
)

SECOND = bytes(32_000)


@contextmanager
def serving(*plan: Script | Refusal) -> Iterator[FakeServer]:
    """A fake server in a thread of its own."""
    up, down = threading.Event(), asyncio.Event()
    server = FakeServer(*plan)
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with server:
            up.set()
            await down.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(PATIENCE_S)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(PATIENCE_S)
        loop.close()
    assert not server.failures


async def answer_twice(line: Line) -> None:
    for number in (1, 2):
        while line.messages.count("done") < number:
            await line.read()
        await line.say(hypothesis(f"final {number}"))
    await line.until_closed()


def test_a_stream() -> None:
    with (
        serving(answer_twice) as server,
        BlockingRecogniser(server.url, sample_rate_hz=8000) as recogniser,
    ):
        recogniser.send(SECOND)
        recogniser.done()
        assert next(recogniser).text == "final 1"
        assert recogniser.received() == []
        assert recogniser.finals_until_ms == 200
        recogniser.send(b"abc")
        recogniser.done()
        with pytest.raises(AudioError, match="odd number"):
            recogniser.finish()
        assert [heard.text for heard in recogniser] == ["final 2"]
        assert list(recogniser) == []
    assert server.lines[0].audio == SECOND + b"ab"


def test_received_takes_what_is_there() -> None:
    with serving(answer_twice) as server, BlockingRecogniser(server.url) as recogniser:
        recogniser.done()
        recogniser.done()
        texts: list[str] = []
        while len(texts) < 2:
            texts += [heard.text for heard in recogniser.received()]
    assert texts == ["final 1", "final 2"]


def test_one_thread_sends_while_another_iterates() -> None:
    with serving(answer_twice) as server, BlockingRecogniser(server.url) as recogniser:

        def send() -> None:
            for _ in range(2):
                recogniser.send(SECOND * 5)
                recogniser.done()
            recogniser.finish()

        thread = threading.Thread(target=send)
        thread.start()
        assert [heard.text for heard in recogniser] == ["final 1", "final 2"]
        thread.join(PATIENCE_S)


def test_errors_are_those_of_the_stream() -> None:
    async def drop(line: Line) -> None:
        line.drop()

    with serving(Refusal(401), drop, drop) as server:
        with pytest.raises(Refused, match="401"), BlockingRecogniser(server.url):
            pass
        with BlockingRecogniser(server.url) as recogniser, pytest.raises(ConnectionLost):
            next(recogniser)
        once = Backoff(attempts=1, first_s=0.001)
        with (
            BlockingRecogniser(server.url, reconnect=once) as recogniser,
            pytest.raises(Refused, match="410"),
        ):
            next(recogniser)


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    with serving(answer_twice, Refusal(503)) as server:
        with BlockingRecogniser(server.url) as recogniser:
            recogniser.send(SECOND)
        with pytest.raises(Refused):
            transcribe_file(server.url, SECOND)
    assert threading.active_count() == before


def test_an_interrupted_wait_ends() -> None:
    """What a Ctrl-C does: the wait is given up, and the block is left."""
    with serving(answer_twice) as server:
        recogniser = BlockingRecogniser(server.url)
        with pytest.raises(KeyboardInterrupt), recogniser:
            raise KeyboardInterrupt
        with pytest.raises(ValueError, match="url must be like"):
            BlockingRecogniser("localhost")


def test_transcribe_file() -> None:
    async def hear(line: Line) -> None:
        await line.until_audio(len(SECOND))
        await line.say(hypothesis("all", is_final=False))
        await line.say(hypothesis("all of it"))
        await line.until_closed()

    seen: list[Hypothesis] = []
    with serving(hear, hear) as server:
        transcript = transcribe_file(server.url, SECOND, on_progress=seen.append)
        assert transcript.text == "all of it"
        pieces = (SECOND[start : start + 999] for start in range(0, len(SECOND), 999))
        assert transcribe_file(server.url, pieces, text2int=True).text == "all of it"
        assert server.targets[1].endswith("text2int=True")
    assert [heard.is_final for heard in seen] == [False, True]
