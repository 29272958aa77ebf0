"""The client, against a server of a few lines."""

from __future__ import annotations

import asyncio
import contextlib
import json

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bench.eval.errors import EvalError
from bench.eval.messages import Hypothesis
from bench.eval.streaming import hear

READY = '{"status": "ready", "info": "", "msgId": "1"}'
SAMPLES = np.arange(5_000, dtype=np.int16)


async def heard_by(client: ServerConnection, received: list[bytes]) -> None:
    """Counts what comes, and says how many messages that was."""
    await client.send(READY)
    async for message in client:
        assert isinstance(message, bytes)
        received.append(message)
        text = str(len(received))
        with contextlib.suppress(ConnectionClosed):  # a fast client has closed by then
            await client.send(
                json.dumps({"msgId": "2", "text": text, "isFinal": False, "words": []})
            )


def hear_samples(in_real_time: bool) -> tuple[list[Hypothesis], list[bytes]]:
    received: list[bytes] = []

    async def run() -> list[Hypothesis]:
        async with serve(lambda client: heard_by(client, received), "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            return await hear(f"ws://127.0.0.1:{port}", SAMPLES, 16_000, in_real_time)

    return asyncio.run(run()), received


@pytest.mark.parametrize("in_real_time", [False, True])
def test_all_samples_arrive_in_messages_of_128_ms(in_real_time: bool) -> None:
    _, received = hear_samples(in_real_time)
    assert [len(message) for message in received] == [4096, 4096, 1808]
    assert b"".join(received) == SAMPLES.astype("<i2").tobytes()


def test_in_real_time_a_message_knows_what_had_been_sent() -> None:
    messages, _ = hear_samples(in_real_time=True)
    assert messages[0].text == "1"
    assert messages[0].sent_ms >= 128
    assert all(message.arrived_ms >= 128 for message in messages)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(EvalError, match=r"the server at ws://127\.0\.0\.1:1 failed"):
        asyncio.run(hear("ws://127.0.0.1:1", SAMPLES, 16_000))
