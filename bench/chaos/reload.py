"""The language model is read again and again under load: no session ends, and no final changes.

Clients speak in real time, connection after connection. Meanwhile the model's files are replaced by
others that hold the same, and SIGHUP has the server read them: decoders are exchanged in the middle
of utterances for successors with the new copy. Every final must be that of an undisturbed run, and
in the end each decoder must hold one copy.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench.chaos.beside import one_after_another
from bench.chaos.comparison import Comparison
from bench.chaos.outcome import Outcome
from bench.chaos.rounds import Round, play_all, spoken_rounds
from bench.footprint import processes
from models import BUNDLED_MODEL
from tests.conformance.server_process import ServerProcess
from tests.conformance.waiting import wait_until

FILES: Final = ("lm.bin", "words.txt")
READ: Final = "the language model was read again"


def add_options(add: Callable[..., Any]) -> None:
    """For the command line."""
    add("--reloads", type=int, default=10, help="of the language model, one after another")


def run(options: argparse.Namespace) -> Outcome:
    """With the options' streams and flags. Raises ChaosError if it fails undisturbed."""
    rounds = spoken_rounds(options.streams)
    flags = ("--slots", str(2 * options.streams), *options.server_flags)
    return asyncio.run(reloads(flags, rounds, options.reloads))


async def reloads(flags: Sequence[str], rounds: Sequence[Round], times: int) -> Outcome:
    """Starts a server with ``flags`` and has it read its model ``times`` times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        replace_files(folder)
        with ServerProcess("--lm", str(folder / FILES[0]), *flags) as server:
            pairs = list(zip(rounds, await play_all(server.url, rounds), strict=True))
            found = Comparison()
            over = asyncio.Event()
            took_s: list[float] = []
            async with asyncio.TaskGroup() as clients:
                for stream in range(len(pairs)):
                    clients.create_task(
                        one_after_another(server.url, pairs, stream, found, over.is_set)
                    )
                for number in range(times):
                    began_s = time.monotonic()
                    await asyncio.to_thread(replace_files, folder)
                    os.kill(server.pid, signal.SIGHUP)
                    await asyncio.to_thread(
                        wait_until, lambda n=number: server.log.count(READ) > n, READ
                    )
                    took_s.append(time.monotonic() - began_s)
                over.set()
            wait_until(lambda: set(copies(server.pid)) == {1}, "each decoder holds one model")
            unexpected = [line for line in server.log.splitlines() if " ERROR " in line]
    return Outcome(
        [f"{times} reloads, {max(took_s, default=0):.1f} s at most", found.line],
        {
            "reloads": times,
            "took_s": took_s,
            "connections": found.rounds,
            "finals": found.finals,
        },
        found.differences + unexpected,
    )


def replace_files(folder: Path) -> None:
    """Others with the same content in their place, by renaming."""
    for name in FILES:
        shutil.copyfile(BUNDLED_MODEL / name, folder / "new")
        (folder / "new").rename(folder / name)


def copies(supervisor: int) -> list[int]:
    """How many language models each decoder of a server has mapped."""
    found = []
    for name, pid in processes(supervisor).items():
        if name.startswith("decoder"):
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
            found.append(len({x.split()[4] for x in lines if "realtime-engine-language" in x}))
    return found
