"""One server after another takes the same port over under load: nobody is refused or cut off.

Clients speak in real time, connection after connection, while another connects and leaves, again
and again, and /readyz is asked. Every few seconds another server starts with ``--takeover``. A
client may be closed with 1001, once its utterance has been finalised; every other one must get the
finals of an undisturbed run, no connect may fail, /readyz must stay 200, and every old server must
exit with 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.chaos.outcome import Outcome
from bench.chaos.requests import opening_request, status_of
from bench.chaos.rounds import (
    FINAL_TIMEOUT_S,
    RATE_HZ,
    TARGET,
    Heard,
    Round,
    canonical,
    play,
    play_all,
    spoken_rounds,
)
from tests.conformance.server_process import HOST, ServerProcess
from tools.loadtest.statistics import percentile

UTTERANCES: Final = 2
PAUSE_S: Final = 1.0
GOING_AWAY: Final = 1001
KNOCK_S: Final = 0.05
READY_S: Final = 0.05


def add_options(add: Callable[..., Any]) -> None:
    """For the command line."""
    add("--takeovers", type=int, default=5, help="one server after another")


def run(options: argparse.Namespace) -> Outcome:
    """With the options' streams and flags. Raises ChaosError if it fails undisturbed.

    One of the streams is the client that connects and leaves: beyond what the machine is known to
    hold it would be refused, rightly, while another server loads.
    """
    rounds = spoken_rounds(max(1, options.streams - 1), utterances=UTTERANCES, pause_s=PAUSE_S)
    flags = ("--slots", str(4 * options.streams), *options.server_flags)
    return asyncio.run(takeovers(flags, rounds, options.takeovers))


@dataclass(slots=True)
class Seen:
    """By all clients of a run."""

    whole: int = 0
    finals: int = 0
    sent_away: int = 0
    knocks: int = 0
    knock_ms: list[float] = field(default_factory=list)
    asked_ready: int = 0
    failures: list[str] = field(default_factory=list)


async def takeovers(flags: Sequence[str], rounds: Sequence[Round], times: int) -> Outcome:
    """Starts a server with ``flags``, and ``times`` others in its place."""
    seen, statuses, took_s = Seen(), list[int](), list[float]()
    with ExitStack() as servers:
        server = servers.enter_context(ServerProcess(*flags))
        url = server.url
        expected = await play_all(url, rounds)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as clients:
            for said, heard in zip(rounds, expected, strict=True):
                clients.create_task(_speak(url, said, heard, seen, over))
            clients.create_task(_knock(server.port, seen, over))
            clients.create_task(_ask_ready(server.port, seen, over))
            for _ in range(times):
                began_s = time.monotonic()
                successor = ServerProcess(*flags, "--takeover", port=server.port)
                await asyncio.to_thread(servers.enter_context, successor)
                statuses.append(await asyncio.to_thread(server.wait))
                took_s.append(time.monotonic() - began_s)
                server = successor
            over.set()
        for said, heard in zip(rounds, expected, strict=True):
            last = await play(url, said)
            if last.finals != heard.finals:
                seen.failures.append(f"{said.name}, the last server: {last.finals}")
    if any(statuses):
        seen.failures.append(f"exit statuses {statuses}")
    ordered = sorted(seen.knock_ms) or [0.0]
    knock = {f"p{p}": percentile(ordered, p) for p in (50, 99)} | {"max": ordered[-1]}
    return Outcome(
        [
            f"{times} takeovers, {max(took_s, default=0):.1f} s at most from the start of a server "
            f"to the end of the one before; exit statuses {sorted(set(statuses))}",
            f"{seen.whole} connections whole with {seen.finals} finals, {seen.sent_away} sent away",
            f"{seen.knocks} connects, answered in ms: p50 {knock['p50']:.1f}, "
            f"p99 {knock['p99']:.1f}, max {knock['max']:.1f}; /readyz asked {seen.asked_ready} "
            "times",
        ],
        {
            "takeovers": times,
            "took_s": took_s,
            "whole": seen.whole,
            "finals": seen.finals,
            "sent_away": seen.sent_away,
            "knocks": seen.knocks,
            "knock_ms": knock,
            "asked_ready": seen.asked_ready,
        },
        seen.failures,
    )


async def _speak(url: str, said: Round, expected: Heard, seen: Seen, over: asyncio.Event) -> None:
    """One connection after another, until it is over; the last one is spoken to its end."""
    while not over.is_set():
        try:
            finals, code = await _say(url, said)
        except (OSError, InvalidHandshake, TimeoutError) as error:
            seen.failures.append(f"{said.name}: {type(error).__name__}: {error}")
            continue
        if code == GOING_AWAY:  # the last final is of an utterance that was cut
            seen.sent_away += 1
            good = finals[:-1] == expected.finals[: max(0, len(finals) - 1)]
        else:
            seen.whole += 1
            seen.finals += len(finals)
            good = finals == expected.finals
        if not good:
            seen.failures.append(f"{said.name}, closed with {code}: {finals}")


async def _say(url: str, said: Round) -> tuple[list[str], int | None]:
    """The finals of one connection, and the code with which it was closed."""
    finals: list[str] = []

    async def listen() -> None:
        async for text in client:
            message = json.loads(text)
            if message.get("isFinal"):
                finals.append(canonical(message))

    options = {"proxy": None, "compression": None, "ping_timeout": None}
    async with (
        asyncio.timeout(FINAL_TIMEOUT_S),
        connect(url + TARGET, close_timeout=FINAL_TIMEOUT_S, **options) as client,
    ):
        listening = asyncio.create_task(listen())
        due_s = time.monotonic()
        try:
            for message in said.messages:
                if isinstance(message, bytes):
                    due_s += len(message) / 2 / RATE_HZ
                    await asyncio.sleep(due_s - time.monotonic())
                await client.send(message)
            await client.close()
        except ConnectionClosed:
            pass  # the code tells
        await listening
    return finals, client.close_code


async def _knock(port: int, seen: Seen, over: asyncio.Event) -> None:
    """Opens a stream and leaves, again and again: each must be let in."""
    while not over.is_set():
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(FINAL_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(HOST, port)
                writer.write(opening_request())
                answer = await reader.readuntil(b"\r\n\r\n")
                writer.transport.abort()
            if status_of(answer) != 101:
                seen.failures.append(f"a connect was answered with {answer[:40]!r}")
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            seen.failures.append(f"a connect failed: {type(error).__name__}: {error}")
        seen.knocks += 1
        seen.knock_ms.append(1000 * (time.monotonic() - began_s))
        await asyncio.sleep(KNOCK_S)


async def _ask_ready(port: int, seen: Seen, over: asyncio.Event) -> None:
    def ask() -> None:
        with urlopen(f"http://{HOST}:{port}/readyz", timeout=FINAL_TIMEOUT_S) as page:
            page.read()

    while not over.is_set():
        try:
            await asyncio.to_thread(ask)
        except (URLError, OSError) as error:
            seen.failures.append(f"/readyz: {error}")
        seen.asked_ready += 1
        await asyncio.sleep(READY_S)
