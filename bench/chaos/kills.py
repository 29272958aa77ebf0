"""Kills: worker, decoders and second passes die or hang at random moments under load.

Clients speak in real time, connection after connection. Each connection says one of several rounds
of the load tester's clips: utterances that end by a pause, by `done` and by the close. What comes
back for a round is learned first, while nothing is killed; then every final must still be the same
to the last byte: text, times, confidences.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Any

from bench.chaos.beside import one_after_another
from bench.chaos.comparison import Comparison, quantiles
from bench.chaos.killing import KINDS, Kill, Killer
from bench.chaos.outcome import Outcome
from bench.chaos.rounds import play_all, spoken_rounds
from tests.conformance.server_process import ServerProcess


def add_options(add: Any) -> None:
    """Its part of the command line."""
    add("--kills", type=int, default=500)
    add("--minutes", type=float, default=20.0, help="over which they are spread")
    add("--victims", type=lambda text: text.split(","), default=KINDS, help=",".join(KINDS))
    add("--stop-share", type=float, default=0.02, help="of the kills are SIGSTOP")
    add("--standby", action=argparse.BooleanOptionalAction, default=True)


def run(options: argparse.Namespace) -> Outcome:
    """Starts a server and kills what it consists of. Raises ChaosError if it fails undisturbed."""
    flags = ("--slots", str(2 * options.streams), *options.server_flags)
    if options.standby:
        flags = ("--standby", *flags)
    with ServerProcess(*flags) as server:
        found, kills, took_s = asyncio.run(_kill(server.url, server.pid, options))
    return Outcome(_report(found, kills, took_s), _figures(found, kills, took_s), found.differences)


async def _kill(
    url: str, pid: int, options: argparse.Namespace
) -> tuple[Comparison, list[Kill], float]:
    rounds = spoken_rounds(options.streams)
    pairs = list(zip(rounds, await play_all(url, rounds), strict=True))
    interval_s = options.minutes * 60 / options.kills
    killer = Killer(pid, options.victims, interval_s, options.stop_share, options.seed)
    found = Comparison()
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        killing = group.create_task(killer.run(options.kills))
        for stream in range(options.streams):
            group.create_task(one_after_another(url, pairs, stream, found, killing.done))
    return found, killer.kills, time.monotonic() - began_s


def _figures(found: Comparison, kills: Sequence[Kill], took_s: float) -> dict[str, Any]:
    return {
        "seconds": round(took_s),
        "rounds": found.rounds,
        "finals": found.finals,
        "words": found.words,
        "differences": found.differences,
        "kills": len(kills),
        "stops": sum(kill.number is signal.SIGSTOP for kill in kills),
        "back_after_ms": {
            f"{kind}, {number.name}": quantiles([
                1000 * kill.back_after_s
                for kill in kills
                if kill.name.startswith(kind)
                and kill.number is number
                and kill.back_after_s is not None
            ])
            for kind in KINDS
            for number in (signal.SIGKILL, signal.SIGSTOP)
        },
        "finals_later_ms": quantiles(found.later_ms),
    }  # fmt: skip


def _report(found: Comparison, kills: Sequence[Kill], took_s: float) -> list[str]:
    figures = _figures(found, kills, took_s)
    lines = [
        f"{len(kills)} processes killed or stopped ({figures['stops']}) in {took_s:.0f} s",
        found.line,
        f"{'':28}{'count':>7}{'p50':>9}{'p99':>9}{'max':>9}",
    ]
    rows = {f"{name}: back after": row for name, row in figures["back_after_ms"].items()}
    rows["finals later by"] = figures["finals_later_ms"]
    for name, row in rows.items():
        if row["count"]:
            values = "".join(f"{row[key]:6.0f} ms" for key in ("p50", "p99", "max"))
            lines.append(f"{name:28}{row['count']:7}{values}")
    return lines
