"""Runs that the tests make too: one long stream, and many short connections; before and after."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Final

from bench.footprint import Holdings, holdings, settled
from bench.soak.leaving import LEAVING
from bench.soak.speaking import (
    Phrase,
    check,
    connection,
    say,
    send_and_close,
)

WARM_UP: Final = 0.1
"""Share of a run after which the figures to compare with are taken."""


async def long_stream(
    url: str, supervisor_pid: int, phrases: Iterator[Phrase], seconds: float
) -> tuple[Holdings, Holdings]:
    """One connection that says ``phrases`` for so long, each ended by `done`.

    Returns:
        What the server's processes held after the warm-up, and at the end.

    Raises:
        SoakError: a word is missing, wrong, or came twice.
    """
    async with connection(url) as client:
        await say(client, phrases, WARM_UP * seconds)
        before = holdings(supervisor_pid)
        await say(client, phrases, (1 - WARM_UP) * seconds)
        after = holdings(supervisor_pid)
        check(Phrase(b"", ""), await send_and_close(client, b""))
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
