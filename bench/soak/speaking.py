"""One client of a soak: it says phrases whose words are known, and checks every word that comes."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.conformance.spelling import numbered_words, silence, spell

RATE_HZ: Final = 16_000
TARGET: Final = f"/?downsample=True&sampleRate={RATE_HZ}"
MESSAGE_BYTES: Final = 4096
ANSWER_TIMEOUT_S: Final = 60


class SoakError(Exception):
    """The server lost, doubled or changed words."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """16-bit PCM at 16 kHz, and the words that a server must hear in it."""

    pcm: bytes
    text: str

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ


async def learn(url: str, pcm: bytes) -> Phrase:
    """What the server hears in this audio on a connection of its own."""
    async with connection(url) as client:
        return Phrase(pcm, await send_and_close(client, pcm))


def connection(url: str, target: str = TARGET) -> connect:
    """To be entered with `async with`."""
    return connect(url + target, proxy=None, compression=None, close_timeout=ANSWER_TIMEOUT_S)


async def say(
    client: ClientConnection,
    phrases: Iterator[Phrase],
    seconds: float,
    *,
    in_real_time: bool = False,
) -> None:
    """Sends phrases for so long and returns when all their words have come, in order.

    Phrases come as fast as the server takes them, or each when the one before it has been said.

    Raises:
        SoakError: a word is missing, wrong, or came twice.
    """
    awaited: deque[str] = deque()
    all_sent = asyncio.Event()
    began_s = time.monotonic()

    async def send_all() -> None:
        said_s = 0.0
        while said_s < seconds:
            phrase = next(phrases)
            awaited.extend(phrase.text.split())
            await send(client, phrase.pcm)
            await client.send("done")
            said_s += phrase.seconds
            if in_real_time:
                await asyncio.sleep(began_s + said_s - time.monotonic())
        all_sent.set()
        await client.send("done")  # its empty final comes when everything else has

    sending = asyncio.create_task(send_all())
    try:
        while (text := await _next_final(client)) or awaited or not all_sent.is_set():
            if text is None:
                raise SoakError("the server closed the connection")
            for word in text.split():
                if not awaited or word != awaited[0]:
                    raise SoakError(f"heard {word!r}, not {list(awaited)[:5]}")
                awaited.popleft()
        await sending
    finally:
        sending.cancel()


async def send(client: ClientConnection, pcm: bytes) -> None:
    """All of it, in messages, as fast as it is taken."""
    for start in range(0, len(pcm), MESSAGE_BYTES):
        await client.send(pcm[start : start + MESSAGE_BYTES])


async def _next_final(client: ClientConnection) -> str | None:
    """The text of the next final, None once the server has closed."""
    while True:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                message = json.loads(await client.recv())
        except ConnectionClosed:
            return None
        except TimeoutError:
            raise SoakError(f"nothing came for {ANSWER_TIMEOUT_S} s") from None
        if message.get("isFinal"):
            text: str = message["text"]
            return text


async def until_closed(client: ClientConnection) -> str:
    """The texts of all finals up to the server's close."""
    texts = []
    while (text := await _next_final(client)) is not None:
        texts.append(text)
    return " ".join(filter(None, texts))


async def send_and_close(client: ClientConnection, pcm: bytes) -> str:
    """Sends, closes properly, and returns what was heard until the server's close."""
    hearing = asyncio.create_task(until_closed(client))
    await send(client, pcm)
    await client.close()
    return await hearing


def check(phrase: Phrase, heard: str) -> None:
    """Raises SoakError unless these are the phrase's words."""
    if heard != phrase.text:
        raise SoakError(f"heard {heard!r} instead of {phrase.text!r}")


def spelled_phrases() -> Iterator[Phrase]:
    """Sentences of 5 to 33 words, with no word twice, for `models/echo`; it ends after hours."""
    first = 0
    for number in count():
        words = 5 + 7 * (number % 5)
        text = numbered_words(first, words)
        pause = silence(1.0 if number % 3 else 0.2)
        yield Phrase(np.append(spell(text), pause).tobytes(), text)
        first += words
