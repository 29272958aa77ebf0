"""Kills processes of a server under load, and compares every final with an undisturbed run.

    python -m bench.chaos [--kills 500] [--minutes 20] [--streams 6] [-- FLAGS OF THE SERVER]

Clients speak in real time, connection after connection. Each connection says one of several rounds
of the load tester's clips: utterances that end by a pause, by `done` and by the close. What comes
back for a round is learned first, while nothing is killed. Then worker, decoders and second passes
are killed at random moments, some stopped so that they hang, and every final must still be the same
to the last byte: text, times, confidences. Exits 1 if one is not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.chaos.killing import KINDS, Kill, Killer
from bench.chaos.rounds import RATE_HZ, ChaosError, Heard, Round, play
from tests.conformance.server_process import ServerProcess
from tests.conformance.speech import clips
from tools.loadtest.statistics import percentile

CLIPS: Final = 20
UTTERANCES: Final = 3
PAUSE_S: Final = 1.2


@dataclass(slots=True)
class Comparison:
    """What the finals under fire came to, beside the undisturbed ones."""

    rounds: int = 0
    finals: int = 0
    words: int = 0
    differences: list[str] = field(default_factory=list)
    later_ms: list[float] = field(default_factory=list)

    def add(self, said: Round, expected: Heard, heard: Heard) -> None:
        self.rounds += 1
        self.finals += len(expected.finals)
        self.words += sum(len(json.loads(final)["words"]) for final in expected.finals)
        if heard.finals != expected.finals:
            self.differences.append(f"{said.name}: {heard.finals} instead of {expected.finals}")
            return
        pairs = zip(heard.came_s, expected.came_s, strict=True)
        self.later_ms += (1000 * (came - expected_s) for came, expected_s in pairs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs it and prints a table; returns the exit status."""
    options = _parser().parse_args(arguments)
    flags = ("--slots", str(2 * options.streams), *options.server_flags)
    if options.standby:
        flags = ("--standby", *flags)
    with ServerProcess(*flags) as server:
        try:
            found, kills, took_s = asyncio.run(_chaos(server.url, server.pid, options))
        except ChaosError as error:
            print(f"FAIL, undisturbed: {error}\n{server.log}", file=sys.stderr)
            return 1
    for line in _report(found, kills, took_s):
        print(line)
    if options.output is not None:
        options.output.write_text(json.dumps(_figures(found, kills, took_s), indent=1))
    return 1 if found.differences else 0


async def _chaos(
    url: str, pid: int, options: argparse.Namespace
) -> tuple[Comparison, list[Kill], float]:
    rounds = rounds_of([clip.audio.tobytes() for clip in clips(CLIPS)], options.streams)
    expected = await asyncio.gather(*(play(url, said) for said in rounds))
    interval_s = options.minutes * 60 / options.kills
    killer = Killer(pid, options.victims, interval_s, options.stop_share, options.seed)
    found = Comparison()
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        killing = group.create_task(killer.run(options.kills))
        for stream in range(options.streams):
            group.create_task(_stream(url, stream, rounds, expected, found, killing))
    return found, killer.kills, time.monotonic() - began_s


async def _stream(
    url: str,
    stream: int,
    rounds: Sequence[Round],
    expected: Sequence[Heard],
    found: Comparison,
    killing: asyncio.Task[None],
) -> None:
    """One round after the other, until there is no more killing."""
    number = stream
    while not killing.done():
        index = number % len(rounds)
        try:
            found.add(rounds[index], expected[index], await play(url, rounds[index]))
        except ChaosError as error:
            found.differences.append(str(error))
        number += 1


def rounds_of(clips: Sequence[bytes], count: int) -> list[Round]:
    """As many rounds, each of `UTTERANCES` of the clips in turn."""
    pause = bytes(2 * round(PAUSE_S * RATE_HZ))
    return [
        Round.of(
            f"round {number}",
            [clips[(UTTERANCES * number + i) % len(clips)] for i in range(UTTERANCES)],
            pause,
        )
        for number in range(count)
    ]


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
            f"{kind}, {number.name}": _quantiles([
                1000 * kill.back_after_s
                for kill in kills
                if kill.name.startswith(kind)
                and kill.number is number
                and kill.back_after_s is not None
            ])
            for kind in KINDS
            for number in (signal.SIGKILL, signal.SIGSTOP)
        },
        "finals_later_ms": _quantiles(found.later_ms),
    }  # fmt: skip


def _report(found: Comparison, kills: Sequence[Kill], took_s: float) -> list[str]:
    figures = _figures(found, kills, took_s)
    lines = [
        f"{len(kills)} processes killed or stopped ({figures['stops']}) in {took_s:.0f} s",
        f"{found.rounds} connections, {found.finals} finals, {found.words} words: "
        f"{len(found.differences)} connections with another final than undisturbed",
        f"{'':28}{'count':>7}{'p50':>9}{'p99':>9}{'max':>9}",
    ]
    rows = {f"{name}: back after": row for name, row in figures["back_after_ms"].items()}
    rows["finals later by"] = figures["finals_later_ms"]
    for name, row in rows.items():
        if row["count"]:
            values = "".join(f"{row[key]:6.0f} ms" for key in ("p50", "p99", "max"))
            lines.append(f"{name:28}{row['count']:7}{values}")
    return [*lines, *(f"FAIL: {line}" for line in found.differences)]


def _quantiles(values_ms: Sequence[float]) -> dict[str, float]:
    if not values_ms:
        return {"count": 0}
    ordered = sorted(values_ms)
    return {
        "count": len(ordered),
        "p50": percentile(ordered, 50),
        "p99": percentile(ordered, 99),
        "max": ordered[-1],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    add = parser.add_argument
    add("--kills", type=int, default=500)
    add("--minutes", type=float, default=20.0, help="over which they are spread")
    add("--streams", type=int, default=6)
    add("--victims", type=lambda text: text.split(","), default=KINDS, help=",".join(KINDS))
    add("--stop-share", type=float, default=0.02, help="of the kills are SIGSTOP")
    add("--standby", action=argparse.BooleanOptionalAction, default=True)
    add("--seed", type=int, default=1)
    add("--output", type=Path, help="the figures as JSON")
    add("server_flags", nargs="*", help="flags of realtime-engine serve, after --")
    return parser


if __name__ == "__main__":
    sys.exit(main())
