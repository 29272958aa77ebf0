"""The ways in which clients leave, each as a coroutine that comes, says a phrase and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final
from urllib.parse import urlsplit

from websockets.exceptions import InvalidStatus

from bench.soak.speaking import (
    MESSAGE_BYTES,
    Phrase,
    SoakError,
    check,
    connection,
    say,
    send,
    send_and_close,
    until_closed,
)


async def _by_close(url: str, phrase: Phrase) -> None:
    async with connection(url) as client:
        check(phrase, await send_and_close(client, phrase.pcm))


async def _after_done(url: str, phrase: Phrase) -> None:
    async with connection(url) as client:
        await say(client, iter([phrase]), phrase.seconds)


async def _by_half_close(url: str, phrase: Phrase) -> None:
    async with connection(url) as client:
        hearing = asyncio.create_task(until_closed(client))
        await send(client, phrase.pcm)
        client.transport.write_eof()
        check(phrase, await hearing)


async def _by_message(url: str, phrase: Phrase, message: bytes) -> None:
    async with connection(url) as client:
        hearing = asyncio.create_task(until_closed(client))
        await send(client, phrase.pcm)
        await client.send(message)
        check(phrase, await hearing)


async def _by_large_message(url: str, phrase: Phrase) -> None:
    await _by_message(url, phrase, bytes(2 * MESSAGE_BYTES))


async def _by_odd_message(url: str, phrase: Phrase) -> None:
    await _by_message(url, phrase, bytes(1))


async def _by_vanishing(url: str, phrase: Phrase) -> None:
    async with connection(url) as client:
        await send(client, phrase.pcm[: len(phrase.pcm) // 4 * 2])
        client.transport.abort()


async def _by_vanishing_with_results_unread(url: str, phrase: Phrase) -> None:
    async with connection(url) as client:
        await send(client, phrase.pcm)
        await client.send("done")
        client.transport.abort()


async def _without_a_word(url: str, _phrase: Phrase) -> None:
    async with connection(url):
        pass


async def _by_refusal(url: str, _phrase: Phrase) -> None:
    try:
        async with connection(url, "/?sampleRate=1"):
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
