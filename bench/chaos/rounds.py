"""What the clients of a chaos run say, and the finals that came back, as they were."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

RATE_HZ: Final = 16_000
TARGET: Final = f"/?downsample=True&sampleRate={RATE_HZ}"
MESSAGE_BYTES: Final = 4096
MESSAGE_S: Final = MESSAGE_BYTES / 2 / RATE_HZ
FINAL_TIMEOUT_S: Final = 90
DONE: Final = "done"


class ChaosError(Exception):
    """A client was told of an error, cut off, or left without an answer."""


@dataclass(frozen=True, slots=True)
class Round:
    """One connection's life: messages of PCM and `DONE`; then it closes."""

    name: str
    messages: tuple[bytes | str, ...]

    @staticmethod
    def of(name: str, utterances: Sequence[bytes], pause: bytes) -> Round:
        """Utterances that end in turn by ``pause`` and by `DONE`; the last one by the close."""
        messages: list[bytes | str] = []
        for number, pcm in enumerate(utterances):
            is_last = number == len(utterances) - 1
            by_pause = number % 2 == 0 and not is_last
            audio = pcm + pause if by_pause else pcm
            messages += (
                audio[start : start + MESSAGE_BYTES]
                for start in range(0, len(audio), MESSAGE_BYTES)
            )
            if not (by_pause or is_last):
                messages.append(DONE)
        return Round(name, tuple(messages))


@dataclass(slots=True)
class Heard:
    """The finals of a round in canonical JSON, and when each came, in seconds from its start."""

    finals: list[str] = field(default_factory=list)
    came_s: list[float] = field(default_factory=list)


async def play(url: str, said: Round) -> Heard:
    """Says a round in real time.

    Raises:
        ChaosError: the server refused, sent an error, cut the connection, or kept a final for
            `FINAL_TIMEOUT_S`.
    """
    heard = Heard()
    options = {"proxy": None, "compression": None, "ping_timeout": None}
    try:
        async with connect(url + TARGET, close_timeout=FINAL_TIMEOUT_S, **options) as client:
            start_s = time.monotonic()
            listening = asyncio.create_task(_listen(client, heard, start_s))
            try:
                await _say(client, said, start_s)
                async with asyncio.timeout(FINAL_TIMEOUT_S):
                    await client.close()
                    await listening
            finally:
                listening.cancel()
    except TimeoutError:
        raise ChaosError(f"{said.name}: no end within {FINAL_TIMEOUT_S} s") from None
    except (ConnectionClosed, InvalidStatus, OSError) as error:
        raise ChaosError(f"{said.name}: {error}") from error
    return heard


async def _say(client: ClientConnection, said: Round, start_s: float) -> None:
    due_s = start_s
    for message in said.messages:
        if message is not DONE:
            due_s += MESSAGE_S
            await asyncio.sleep(due_s - time.monotonic())
        await client.send(message)


async def _listen(client: ClientConnection, heard: Heard, start_s: float) -> None:
    async for text in client:
        message = json.loads(text)
        if message.get("status", "ready") != "ready":
            raise ChaosError(str(message))
        if message.get("isFinal"):
            heard.finals.append(canonical(message))
            heard.came_s.append(time.monotonic() - start_s)


def canonical(message: dict[str, object]) -> str:
    """Everything in a final but the id, which is its own each time."""
    return json.dumps({k: v for k, v in message.items() if k != "msgId"}, sort_keys=True)
