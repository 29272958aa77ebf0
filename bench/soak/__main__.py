"""A soak: streams that speak all the time while thousands of others come and go.

    python -m bench.soak [--minutes 90] [--rounds 20000] [--streams 2] [-- FLAGS OF THE SERVER]

Starts a server. Some streams say the load tester's clips in real time; beside them short
connections come evenly over the time and leave in every way there is. What is heard in a piece of
audio is learned once, from a connection of its own; from then on every word of it must come exactly
once and in order. Memory, threads and descriptors of every process are read from /proc now and
then. Exits 1 if a word is wrong, or if anything has grown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

from websockets.exceptions import InvalidStatus

from bench.footprint import holdings
from bench.soak.growth import Growth, Sample, came_or_went, growths
from bench.soak.leaving import LEAVING, Leave
from bench.soak.speaking import RATE_HZ, Phrase, SoakError, connection, learn, say
from tests.conformance.server_process import ServerProcess
from tests.conformance.speech import clips

CLIPS: Final = 20
SHORT_S: Final = 0.6
"""What those say who come and go."""
RUNNERS: Final = 3
"""So many of them at a time, at most."""
SAMPLES: Final = 540


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it and prints a table; returns the exit status."""
    options = _parser().parse_args(arguments)
    samples: list[Sample] = []
    failed: list[str] = []
    with ServerProcess(*options.server_flags) as server:
        try:
            rounds = asyncio.run(_soak(server.url, server.pid, options, samples))
        except* SoakError as errors:
            failed = [str(error) for error in errors.exceptions]
            failed.append(f"the server's log:\n{server.log}")
    if failed:
        print("\n".join(f"FAIL: {reason}" for reason in failed))
        return 1
    found = growths(samples)
    title = f"{options.minutes:g} minutes, {options.streams} streams, {sum(rounds.values())} rounds"
    for line in report(title, rounds, found):
        print(line)
    if options.plot is not None:
        from bench.soak.plot import draw

        draw(samples, title, options.plot)
    if options.output is not None:
        options.output.write_text(json.dumps(_figures(title, rounds, found, samples), indent=1))
    replaced = came_or_went(samples)
    for process in replaced:
        print(f"FAIL: {process} was not there all the time")
    return 1 if replaced or any(growth.is_too_much for growth in found) else 0


async def _soak(
    url: str, pid: int, options: argparse.Namespace, samples: list[Sample]
) -> Counter[str]:
    spoken = [await learn(url, clip.audio.tobytes()) for clip in clips(CLIPS)]
    short = [await learn(url, phrase.pcm[: round(2 * SHORT_S * RATE_HZ)]) for phrase in spoken]
    seconds = 60 * options.minutes
    rounds: Counter[str] = Counter()
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(pid, seconds, samples))
        talking = [
            group.create_task(_talk(url, pid, islice(cycle(spoken), number, None), seconds))
            for number in range(options.streams)
        ]
        runners = [
            group.create_task(
                _come_and_go(url, pid, short, range(number, options.rounds, RUNNERS),
                             seconds / max(options.rounds, 1), rounds)
            )
            for number in range(RUNNERS)
        ]  # fmt: skip
        await asyncio.wait([*talking, *runners], return_when=asyncio.ALL_COMPLETED)
        watching.cancel()
    print(f"took {time.monotonic() - began_s:.0f} s")
    return rounds


async def _talk(url: str, pid: int, phrases: Iterator[Phrase], seconds: float) -> None:
    async with connection(url) as client:
        try:
            await say(client, phrases, seconds, in_real_time=True)
        except SoakError as error:
            raise SoakError(f"who speaks all the time: {error}\n{_plane(pid)}") from None


async def _come_and_go(
    url: str,
    pid: int,
    phrases: Sequence[Phrase],
    numbers: range,
    interval_s: float,
    rounds: Counter[str],
) -> None:
    """The rounds of these numbers, each at its time or as soon after as can be."""
    began_s = time.monotonic()
    for number in numbers:
        await asyncio.sleep(began_s + number * interval_s - time.monotonic())
        leave = LEAVING[number % len(LEAVING)]
        try:
            await leave(url, phrases[number // len(LEAVING) % len(phrases)])
        except InvalidStatus as refused:
            rounds[f"refused with {refused.response.status_code}"] += 1
        except SoakError as error:
            raise SoakError(f"round {number}, {_way(leave)}: {error}\n{_plane(pid)}") from None
        else:
            rounds[_way(leave)] += 1


def _way(leave: Leave) -> str:
    return leave.__name__.strip("_").replace("_", " ")


def _plane(pid: int) -> str:
    """What the engine's processes and slots are doing, for who looks for the cause."""
    command = [sys.executable, "-m", "shm.inspect", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


async def _watch(pid: int, seconds: float, samples: list[Sample]) -> None:
    began_s = time.monotonic()
    while True:
        samples.append(Sample(time.monotonic() - began_s, holdings(pid)))
        await asyncio.sleep(seconds / SAMPLES)


def report(title: str, rounds: Counter[str], found: Sequence[Growth]) -> Iterator[str]:
    """The lines of a run's table."""
    yield title
    yield ", ".join(f"{count} {way}" for way, count in sorted(rounds.items()))
    yield f"{'':16}{'':14}{'first third':>12}{'last third':>12}{'an hour':>12}"
    for growth in found:
        verdict = "  FAIL" if growth.is_too_much else ""
        yield (
            f"{growth.process:16}{growth.held:14}{growth.first:12}{growth.last:12}"
            f"{growth.slope_per_hour:+12.1f}{verdict}"
        )


def _figures(
    title: str, rounds: Counter[str], found: Sequence[Growth], samples: Sequence[Sample]
) -> dict[str, Any]:
    return {
        "title": title,
        "rounds": rounds,
        "growth": [asdict(growth) for growth in found],
        "samples": [asdict(sample) for sample in samples],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--rounds", type=int, default=20_000, help="connections that come and go")
    parser.add_argument("--streams", type=int, default=2, help="that speak all the time")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it (.png)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the figures as JSON")
    parser.add_argument("server_flags", nargs="*", metavar="-- FLAGS", help="for the server")
    return parser


if __name__ == "__main__":
    sys.exit(main())
