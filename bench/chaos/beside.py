"""Streams that speak in real time, and something that happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bench.chaos.comparison import Comparison
from bench.chaos.rounds import FINAL_TIMEOUT_S, ChaosError, Door, Heard, Round, play

Found = TypeVar("Found")


async def together(
    url: str,
    rounds: Sequence[Round],
    disturb: Callable[[], Awaitable[Found]],
    *,
    door: Door | None = None,
    until: asyncio.Event | None = None,
) -> tuple[list[Heard | BaseException], Found]:
    """Plays all rounds; when all are let in, ``disturb()`` runs beside them.

    Returns what was heard of each round, or what became of it, and what ``disturb`` found.

    Raises:
        ChaosError: not all of them were let in.
    """
    inside = asyncio.Semaphore(0)
    playing = [
        asyncio.create_task(play(url, said, door=door, ready=inside.release, until=until))
        for said in rounds
    ]
    try:
        async with asyncio.timeout(FINAL_TIMEOUT_S):
            for _ in playing:
                await inside.acquire()
        found = await disturb()
        return await asyncio.gather(*playing, return_exceptions=True), found
    except TimeoutError:
        raise ChaosError(f"not all of {len(rounds)} streams were let in") from None
    finally:
        for task in playing:
            task.cancel()


async def one_after_another(
    url: str,
    pairs: Sequence[tuple[Round, Heard]],
    first: int,
    found: Comparison,
    is_over: Callable[[], bool],
    play: Callable[[str, Round], Awaitable[Heard]] = play,
) -> None:
    """A stream that says rounds in turn, from number ``first`` on, until it is over.

    Each is compared in ``found`` with what was heard of it undisturbed.
    """
    number = first
    while not is_over():
        said, expected = pairs[number % len(pairs)]
        try:
            found.add(said, expected, await play(url, said))
        except ChaosError as error:
            found.differences.append(str(error))
        number += 1
