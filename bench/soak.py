"""Runs a server for long, and compares what its processes hold before and after.

    python -m bench.soak --url ws://localhost:4444 --supervisor-pid PID [--hours 1] [--rounds 500]

First one connection that stays open for hours of audio, then many that come and leave in every way
there is. The audio is the load tester's clips, as fast as the server takes them. What a clip says
is learned once, from a connection of its own; from then on every word of it must come exactly once
and in order. With `--spell`, for a server of `models/echo`, the audio spells words of which no two
are the same. It exits 1 if a word is wrong, or if descriptors, threads or memory have grown.

The figures come from /proc, so the server must run on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import numpy as np
import soundfile
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bench.footprint import Holdings, grown, holdings, settled, table
from tests.conformance.spelling import numbered_words, silence, spell

CLIPS: Final = Path(__file__).parents[1] / "tools" / "loadtest" / "audio"
RATE_HZ: Final = 16_000
TARGET: Final = f"/?downsample=True&sampleRate={RATE_HZ}"
MESSAGE_BYTES: Final = 4096
ANSWER_TIMEOUT_S: Final = 60
WARM_UP: Final = 0.1
"""Share of a run after which the figures to compare with are taken."""


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


def main() -> int:
    """Runs both and prints a table of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="ws://localhost:4444")
    parser.add_argument("--supervisor-pid", type=int, required=True)
    parser.add_argument("--hours", type=float, default=1.0, help="length of the one stream")
    parser.add_argument("--rounds", type=int, default=500, help="connections that come and leave")
    parser.add_argument("--spell", action="store_true", help="the server runs models/echo")
    arguments = parser.parse_args()
    try:
        return asyncio.run(_soak(arguments))
    except SoakError as error:
        print(f"FAIL: {error}")
        return 1


async def _soak(arguments: argparse.Namespace) -> int:
    url, pid = arguments.url, arguments.supervisor_pid
    phrases = (
        spelled_phrases() if arguments.spell else cycle([await learn(url, c) for c in _clips()])
    )
    failed = await _report(
        f"{arguments.hours:g} h of one stream",
        long_stream(url, pid, phrases, arguments.hours * 3600),
    )
    failed += await _report(
        f"{arguments.rounds} connections", connect_rounds(url, pid, phrases, arguments.rounds)
    )
    return 1 if failed else 0


async def _report(title: str, run: Coroutine[None, None, tuple[Holdings, Holdings]]) -> int:
    """Prints what a run came to; returns how many things have grown."""
    started_s = time.monotonic()
    before, after = await run
    print(f"\n{title}, in {time.monotonic() - started_s:.0f} s\n{table(before, after)}")
    for line in grown(before, after):
        print(f"FAIL: {line}")
    return len(grown(before, after))


async def learn(url: str, pcm: bytes) -> Phrase:
    """What the server hears in this audio on a connection of its own."""
    async with _connection(url) as client:
        return Phrase(pcm, await _send_and_close(client, pcm))


async def long_stream(
    url: str, supervisor_pid: int, phrases: Iterator[Phrase], seconds: float
) -> tuple[Holdings, Holdings]:
    """One connection that says ``phrases`` for so long, each ended by `done`.

    Returns:
        What the server's processes held after the warm-up, and at the end.

    Raises:
        SoakError: a word is missing, wrong, or came twice.
    """
    async with _connection(url) as client:
        await _say(client, phrases, WARM_UP * seconds)
        before = holdings(supervisor_pid)
        await _say(client, phrases, (1 - WARM_UP) * seconds)
        after = holdings(supervisor_pid)
        _check(Phrase(b"", ""), await _send_and_close(client, b""))
    return before, after


async def connect_rounds(
    url: str, supervisor_pid: int, phrases: Iterator[Phrase], rounds: int
) -> tuple[Holdings, Holdings]:
    """Connections that leave in turn in each of the ways in `LEAVING`.

    Returns and raises as `long_stream` does.
    """
    before: Holdings = {}
    warm_up_rounds = max(len(LEAVING), round(WARM_UP * rounds))
    for number, (leave, phrase) in enumerate(zip(cycle(LEAVING), phrases, strict=False), start=1):
        await leave(url, phrase)
        if number == warm_up_rounds:
            before = await settled(supervisor_pid)
        if number >= rounds and before:
            break
    return before, await settled(supervisor_pid, before)


# -- one connection


def _connection(url: str, target: str = TARGET) -> connect:
    return connect(url + target, proxy=None, compression=None, close_timeout=ANSWER_TIMEOUT_S)


async def _say(client: ClientConnection, phrases: Iterator[Phrase], seconds: float) -> None:
    """Sends phrases for so long and returns when all their words have come, in order."""
    awaited: deque[str] = deque()
    all_sent = asyncio.Event()

    async def send() -> None:
        said_s = 0.0
        while said_s < seconds:
            phrase = next(phrases)
            awaited.extend(phrase.text.split())
            await _send(client, phrase.pcm)
            await client.send("done")
            said_s += phrase.seconds
        all_sent.set()
        await client.send("done")  # its empty final comes when everything else has

    sending = asyncio.create_task(send())
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


async def _send(client: ClientConnection, pcm: bytes) -> None:
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


async def _until_closed(client: ClientConnection) -> str:
    """The texts of all finals up to the server's close."""
    texts = []
    while (text := await _next_final(client)) is not None:
        texts.append(text)
    return " ".join(filter(None, texts))


async def _send_and_close(client: ClientConnection, pcm: bytes) -> str:
    """Sends, closes properly, and returns what was heard until the server's close."""
    hearing = asyncio.create_task(_until_closed(client))
    await _send(client, pcm)
    await client.close()
    return await hearing


def _check(phrase: Phrase, heard: str) -> None:
    if heard != phrase.text:
        raise SoakError(f"heard {heard!r} instead of {phrase.text!r}")


# -- ways to leave


async def _by_close(url: str, phrase: Phrase) -> None:
    async with _connection(url) as client:
        _check(phrase, await _send_and_close(client, phrase.pcm))


async def _after_done(url: str, phrase: Phrase) -> None:
    async with _connection(url) as client:
        await _say(client, iter([phrase]), phrase.seconds)


async def _by_half_close(url: str, phrase: Phrase) -> None:
    async with _connection(url) as client:
        hearing = asyncio.create_task(_until_closed(client))
        await _send(client, phrase.pcm)
        client.transport.write_eof()
        _check(phrase, await hearing)


async def _by_message(url: str, phrase: Phrase, message: bytes) -> None:
    async with _connection(url) as client:
        hearing = asyncio.create_task(_until_closed(client))
        await _send(client, phrase.pcm)
        await client.send(message)
        _check(phrase, await hearing)


async def _by_large_message(url: str, phrase: Phrase) -> None:
    await _by_message(url, phrase, bytes(2 * MESSAGE_BYTES))


async def _by_odd_message(url: str, phrase: Phrase) -> None:
    await _by_message(url, phrase, bytes(1))


async def _by_vanishing(url: str, phrase: Phrase) -> None:
    async with _connection(url) as client:
        await _send(client, phrase.pcm[: len(phrase.pcm) // 4 * 2])
        client.transport.abort()


async def _by_vanishing_with_results_unread(url: str, phrase: Phrase) -> None:
    async with _connection(url) as client:
        await _send(client, phrase.pcm)
        await client.send("done")
        client.transport.abort()


async def _without_a_word(url: str, _phrase: Phrase) -> None:
    async with _connection(url):
        pass


async def _by_refusal(url: str, _phrase: Phrase) -> None:
    try:
        async with _connection(url, "/?sampleRate=1"):
            raise SoakError("a bad parameter was accepted")
    except InvalidStatus:
        pass


async def _without_a_handshake(url: str, _phrase: Phrase) -> None:
    address = urlsplit(url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"\x16\x03\x01 this is no request\r\n\r\n")
    writer.close()
    await writer.wait_closed()


Leave = Callable[[str, Phrase], Coroutine[None, None, None]]
LEAVING: Final[tuple[Leave, ...]] = (
    _by_close,
    _after_done,
    _by_half_close,
    _by_large_message,
    _by_odd_message,
    _by_vanishing,
    _by_vanishing_with_results_unread,
    _without_a_word,
    _by_refusal,
    _without_a_handshake,
)


def spelled_phrases() -> Iterator[Phrase]:
    """Sentences of 5 to 33 words, with no word twice, for `models/echo`; it ends after hours."""
    first = 0
    for number in count():
        words = 5 + 7 * (number % 5)
        text = numbered_words(first, words)
        pause = silence(1.0 if number % 3 else 0.2)
        yield Phrase(np.append(spell(text), pause).tobytes(), text)
        first += words


def _clips() -> Iterator[bytes]:
    for path in sorted(CLIPS.glob("*.mp3")):
        samples, rate_hz = soundfile.read(path, dtype="int16")
        assert rate_hz == RATE_HZ
        yield samples.tobytes()


if __name__ == "__main__":
    sys.exit(main())
