"""Overload: ten times as many clients ask for a stream as there is room for.

The streams that are inside speak in real time; first nobody asks, then `--offered` times as many
clients as there are slots ask once a second each. All must be refused with 503 and Retry-After, and
those inside must not notice.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import Any, Final

from bench.chaos.beside import together
from bench.chaos.comparison import HEADING, Comparison, beside, latencies, quantiles, ratio_of
from bench.chaos.helpers import Helper
from bench.chaos.knocking import Knocks
from bench.chaos.outcome import Outcome
from bench.chaos.rounds import Round, play_all, spoken_rounds
from tests.conformance.server_process import ServerProcess

MARGIN_S: Final = 1.0
"""So long before the first stream ends nobody asks any more: its slot would be free."""


def add_options(add: Any) -> None:
    """Its part of the command line."""
    add("--offered", type=float, default=10.0, help="clients that ask, for each stream")


def run(options: argparse.Namespace) -> Outcome:
    """Starts a server with a slot for each stream. Raises ChaosError if it fails undisturbed."""
    rounds = spoken_rounds(options.streams, options.seconds)
    with ServerProcess("--slots", str(options.streams), *options.server_flags) as server:
        return asyncio.run(overload(server, rounds, round(options.offered * options.streams)))


async def overload(server: ServerProcess, rounds: Sequence[Round], clients: int) -> Outcome:
    """``rounds`` fill the server; ``clients`` ask in vain."""
    expected = await play_all(server.url, rounds)
    seconds = min(said.seconds for said in rounds) - MARGIN_S
    async with Helper("bench.chaos.knocking") as helper:

        async def knock() -> Knocks:
            asked = {"port": server.port, "clients": clients, "seconds": seconds}
            return Knocks(**await helper.ask(**asked))

        heard, knocks = await together(server.url, rounds, knock)
    found = Comparison()
    failures = found.merge(rounds, expected, heard)
    quiet, loud = latencies(expected), latencies(heard)
    answers = quantiles(knocks.answer_ms)
    lines = [
        f"{len(rounds)} streams inside; {clients} clients asked {knocks.asked} times in "
        f"{seconds:.0f} s: {_said(knocks)}",
        found.line,
        HEADING,
        *beside("undisturbed", quiet, quiet),
        *beside("ten times the load", loud, quiet),
    ]
    if answers["count"]:
        values = "".join(f"{answers[key]:6.1f} ms" for key in ("p50", "p99", "max"))
        lines.append(f"{'connect to refusal':44}{answers['count']:7}{values}")
    if knocks.refused != knocks.asked or knocks.without_retry_after:
        failures.append(
            f"of {knocks.asked} requests {knocks.refused} were refused with 503, "
            f"{knocks.without_retry_after} refusals had no Retry-After: {_said(knocks)}"
        )
    figures = {
        "asked": knocks.asked,
        "answers": knocks.answers,
        "answer_ms": answers,
        "undisturbed": quiet,
        "overloaded": loud,
        "p99_ratio": {metric: ratio_of(loud[metric], quiet[metric]) for metric in loud},
        "finals": found.finals,
        "words": found.words,
    }
    return Outcome(lines, figures, failures)


def _said(knocks: Knocks) -> str:
    return ", ".join(f"{count} x {answer}" for answer, count in knocks.answers.items())
