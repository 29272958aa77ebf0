"""realtime_client/concurrency.py: all end together."""

from __future__ import annotations

import asyncio

import pytest

from realtime_client.concurrency import together
from tests.realtime_client.fake_server import run


def test_both_are_run() -> None:
    seen: list[str] = []

    async def note(name: str) -> None:
        await asyncio.sleep(0)
        seen.append(name)

    run(lambda: together(note("a"), note("b")))
    assert sorted(seen) == ["a", "b"]


def test_a_failure_ends_the_other_and_is_raised_as_it_is() -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("waiting")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("as it is")

    with pytest.raises(LookupError, match="as it is"):
        run(lambda: together(wait(), fail()))
    assert ended == ["waiting"]


def test_a_cancellation_reaches_both() -> None:
    ended: list[int] = []

    async def wait(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async def cancelled() -> None:
        task = asyncio.create_task(together(wait(1), wait(2)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancelled)
    assert sorted(ended) == [1, 2]
