"""Audio to the server and its hypotheses back, a connection for each recording.

Recognition does not depend on the clock, so most of it is sent as fast as the server takes it: TCP
holds the client back. Only what measures time is sent in real time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from bench.eval.audio import Samples, read_samples
from bench.eval.errors import EvalError
from bench.eval.manifest import Clip
from bench.eval.messages import Hypothesis, parse
from bench.eval.progress import EVERY_S, say

AT_ONCE: Final = 3
MESSAGE_MS: Final = 128
CLOSE_TIMEOUT_S: Final = 300
"""Closing waits for all that the server has yet to recognise."""


def hear_clips(url: str, clips: Sequence[Clip], rate_hz: int) -> list[list[Hypothesis]]:
    """The messages of each clip, `AT_ONCE` of them at a time. Raises EvalError."""
    return asyncio.run(_hear_clips(url, clips, rate_hz))


async def _hear_clips(url: str, clips: Sequence[Clip], rate_hz: int) -> list[list[Hypothesis]]:
    places = asyncio.Semaphore(AT_ONCE)
    done, told_s = 0, time.monotonic()

    async def hear_one(clip: Clip) -> list[Hypothesis]:
        nonlocal done, told_s
        async with places:
            messages = await hear(url, read_samples(clip.audio, rate_hz), rate_hz)
        done += 1
        if time.monotonic() - told_s > EVERY_S:
            say(f"engine, {rate_hz // 1000} kHz: {done} of {len(clips)}")
            told_s = time.monotonic()
        return messages

    say(f"engine, {rate_hz // 1000} kHz: {len(clips)}")
    return await asyncio.gather(*(hear_one(clip) for clip in clips))


async def hear(
    url: str, samples: Samples, rate_hz: int, in_real_time: bool = False
) -> list[Hypothesis]:
    """All hypotheses of one connection. Raises EvalError if it fails."""
    step = MESSAGE_MS * rate_hz // 1000
    messages: list[Hypothesis] = []
    sent = 0
    try:
        async with connect(
            f"{url}/?downsample=True&sampleRate={rate_hz}",
            compression=None,
            proxy=None,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_timeout=None,  # behind audio that is sent faster than it is heard
        ) as client:
            await client.recv()  # ready
            started_s = time.monotonic()

            async def send() -> None:
                nonlocal sent
                for start in range(0, len(samples), step):
                    part = samples[start : start + step]
                    if in_real_time:
                        due_s = started_s + (start + len(part)) / rate_hz
                        await asyncio.sleep(due_s - time.monotonic())
                    await client.send(part.astype("<i2").tobytes())
                    sent = start + len(part)
                await client.close()

            sending = asyncio.create_task(send())
            try:
                async for raw in client:
                    arrived_ms = (time.monotonic() - started_s) * 1000
                    messages.append(parse(raw, sent * 1000 / rate_hz, arrived_ms))
                await sending
            finally:
                sending.cancel()
    except (OSError, WebSocketException) as error:
        raise EvalError(f"the server at {url} failed: {error or type(error).__name__}") from error
    return messages
