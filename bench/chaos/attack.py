"""Attacks: one after the other, each for a while, beside streams that speak in real time.

Every attack meets the same streams, whose finals must be what they are undisturbed, and whose
latencies stand beside those of undisturbed ones: learned before, and once more after all of it, so
that the noise of the machine shows as well. Then all of it comes again, briefly, until a time has
left nothing behind: no memory, thread or descriptor.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from bench.chaos.attackers import ATTACKS, Toll
from bench.chaos.beside import together
from bench.chaos.comparison import HEADING, Comparison, beside, latencies, ratio_of
from bench.chaos.helpers import Helper
from bench.chaos.outcome import Outcome
from bench.chaos.rounds import Round, play_all, spoken_rounds
from bench.footprint import Holdings, grown, settled, table
from tests.conformance.server_process import ServerProcess

BRIEFLY_S: Final = 2.0
MOST_TIMES: Final = 4
"""What leaks grows every time; what an allocator keeps, of the worst moment so far, does not."""
UNDISTURBED: Final = "undisturbed"
AGAIN: Final = "undisturbed, again"


def add_options(add: Any) -> None:
    """Its part of the command line."""
    add(
        "--attacks", type=lambda text: text.split(","), default=list(ATTACKS),
        help=",".join(ATTACKS),
    )  # fmt: skip


def run(options: argparse.Namespace) -> Outcome:
    """Starts a server with room for attackers. Raises ChaosError if it fails undisturbed."""
    rounds = spoken_rounds(options.streams, options.seconds)
    with ServerProcess("--slots", str(2 * options.streams), *options.server_flags) as server:
        return asyncio.run(attacks(server, rounds, options.attacks))


async def attacks(server: ServerProcess, rounds: Sequence[Round], names: Sequence[str]) -> Outcome:
    """``names`` are of `ATTACKS`; ``rounds`` leave them some of the server's slots."""
    expected = await play_all(server.url, rounds)
    seconds = min(said.seconds for said in rounds)
    quiet = latencies(expected)
    found, rows = Comparison(), {UNDISTURBED: quiet}
    tolls: dict[str, Toll] = {}
    failures: list[str] = []
    async with Helper("bench.chaos.attackers") as helper:

        async def attack(name: str, seconds: float) -> Toll:
            return Toll(**await helper.ask(name=name, port=server.port, seconds=seconds))

        for name in names:
            heard, tolls[name] = await together(
                server.url, rounds, lambda name=name: attack(name, seconds)
            )
            rows[name] = latencies(heard)
            failures += _failed(name, tolls[name], found.merge(rounds, expected, heard))
        again = await play_all(server.url, rounds)
        failures += _failed(AGAIN, Toll(), found.merge(rounds, expected, again))
        rows[AGAIN] = latencies(again)
        before, after = await _what_is_left(server.pid, attack, names)
    failures += grown(before, after)
    lines = [f"{seconds:.0f} s of each; {found.line}", HEADING]
    lines += (line for name, row in rows.items() for line in beside(name, row, quiet))
    lines += (f"{name}: {_said(toll)}" for name, toll in tolls.items())
    lines.append(table(before, after))
    figures = {
        "latencies_ms": rows,
        "p99_ratio": {
            name: {metric: ratio_of(row[metric], quiet[metric]) for metric in row}
            for name, row in rows.items()
        },
        "tolls": {
            name: {"visits": toll.visits, "let_in": toll.let_in, "ends": toll.ends}
            for name, toll in tolls.items()
        },
        "finals": found.finals,
        "words": found.words,
    }
    return Outcome(lines, figures, failures)


async def _what_is_left(
    supervisor_pid: int, attack: Callable[[str, float], Awaitable[Toll]], names: Sequence[str]
) -> tuple[Holdings, Holdings]:
    """Before and after all attacks, of the first time that leaves nothing, or the last one."""
    before = await settled(supervisor_pid)
    for _ in range(MOST_TIMES):
        for name in names:
            await attack(name, BRIEFLY_S)
        after = await settled(supervisor_pid)
        if not grown(before, after):
            break
        before, last = after, before
    else:
        return last, after
    return before, after


def _failed(name: str, toll: Toll, differences: Sequence[str]) -> list[str]:
    return [f"{name}: {line}" for line in (*toll.failures, *differences)]


def _said(toll: Toll) -> str:
    ends = ", ".join(f"{count} {end}" for end, count in toll.ends.items())
    return (
        f"{toll.visits} visits ({ends}), {toll.let_in} let in, {toll.sent_bytes / 1e6:.1f} MB sent"
    )
