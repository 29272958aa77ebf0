"""Frontends: the processes that hold the connections die, and their clients come back.

As `bench.chaos.kills`, but the streams are those of the Python client with ``reconnect``: it comes
back to its session on the successor of the frontend that died. Every final must be that of an
undisturbed run, and come once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from bench.chaos.beside import one_after_another
from bench.chaos.comparison import Comparison, quantiles
from bench.chaos.killing import FRONTEND, Killer
from bench.chaos.outcome import Outcome
from bench.chaos.rounds import DONE, MESSAGE_S, RATE_HZ, ChaosError, Heard, Round, spoken_rounds
from realtime_client import Backoff, Recogniser, RecogniserError, Unreachable
from tests.conformance.server_process import ServerProcess

BACKOFF: Final = Backoff(attempts=40, first_s=0.1, longest_s=1.0)
ATTEMPTS: Final = 20
"""To begin a stream: the frontend that accepts may die over its request."""


def add_options(add: Any) -> None:
    """Its part of the command line."""
    add("--deaths", type=int, default=40)
    add("--death-minutes", type=float, default=7.0, help="over which they are spread")


def run(options: argparse.Namespace) -> Outcome:
    """Starts a server and kills its frontend. Raises ChaosError if it fails undisturbed."""
    flags = ("--slots", str(2 * options.streams), *options.server_flags)
    rounds = spoken_rounds(options.streams)
    return asyncio.run(
        deaths(flags, rounds, options.deaths, 60 * options.death_minutes, options.seed)
    )


async def deaths(
    flags: Sequence[str], rounds: Sequence[Round], count: int, seconds: float, seed: int = 1
) -> Outcome:
    """So many deaths of the frontend within about so many seconds, while rounds are said."""
    found = Comparison()
    with ServerProcess(*flags) as server:
        expected = await asyncio.gather(*(play(server.url, said) for said in rounds))
        pairs = list(zip(rounds, expected, strict=True))
        killer = Killer(server.pid, [FRONTEND], seconds / count, 0.0, seed)
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(killer.run(count))
            for stream in range(len(rounds)):
                group.create_task(
                    one_after_another(server.url, pairs, stream, found, killing.done, play)
                )
    back_ms = [1000 * kill.back_after_s for kill in killer.kills if kill.back_after_s is not None]
    figures = {
        "deaths": len(killer.kills),
        "rounds": found.rounds,
        "finals": found.finals,
        "words": found.words,
        "back_after_ms": quantiles(back_ms),
        "finals_later_ms": quantiles(found.later_ms),
    }
    lines = [f"{len(killer.kills)} frontends killed", found.line]
    for name in ("back_after_ms", "finals_later_ms"):
        values = "".join(f", {key} {figures[name].get(key, 0):.0f} ms" for key in ("p50", "p99"))
        lines.append(f"{name.removesuffix('_ms').replace('_', ' ')}{values}")
    return Outcome(lines, figures, found.differences)


async def play(url: str, said: Round) -> Heard:
    """Says a round in real time and comes back when it is cut off.

    Raises:
        ChaosError: a stream could not go on.
    """
    heard = Heard()
    try:
        recogniser = await _begun(url)
        start_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(_say(recogniser, said, start_s))
            async for hypothesis in recogniser:
                if hypothesis.is_final:
                    fields = asdict(hypothesis)
                    del fields["message_id"]
                    heard.finals.append(json.dumps(fields))
                    heard.came_s.append(time.monotonic() - start_s)
        await recogniser.__aexit__(None, None, None)
    except* RecogniserError as errors:
        raise ChaosError(f"{said.name}: {errors.exceptions[0]}") from errors
    return heard


async def _begun(url: str) -> Recogniser:
    for attempt in range(ATTEMPTS):
        try:
            recogniser = Recogniser(url, sample_rate_hz=RATE_HZ, reconnect=BACKOFF)
            return await recogniser.__aenter__()
        except Unreachable:
            if attempt == ATTEMPTS - 1:
                raise
            await asyncio.sleep(BACKOFF.first_s)
    raise AssertionError("the last attempt returns or raises")


async def _say(recogniser: Recogniser, said: Round, start_s: float) -> None:
    due_s = start_s
    for message in said.messages:
        if isinstance(message, str):
            assert message == DONE
            await recogniser.done()
            continue
        due_s += MESSAGE_S
        await asyncio.sleep(due_s - time.monotonic())
        await recogniser.send(message)
    await recogniser.finish()
