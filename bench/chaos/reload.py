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

from bench.chaos.outcome import Outcome
from bench.chaos.rounds import ChaosError, Heard, Round, play
from bench.footprint import processes
from models import BUNDLED_MODEL
from tests.conformance.server_process import ServerProcess
from tests.conformance.speech import clips
from tests.conformance.waiting import wait_until

CLIPS: Final = 20
UTTERANCES: Final = 3
PAUSE: Final = bytes(2 * 19_200)
FILES: Final = ("lm.bin", "words.txt")
READ: Final = "the language model was read again"


def add_options(add: Callable[..., Any]) -> None:
    """For the command line."""
    add("--reloads", type=int, default=10, help="of the language model, one after another")


def run(options: argparse.Namespace) -> Outcome:
    """With the options' streams and flags. Raises ChaosError if it fails undisturbed."""
    pcm = [clip.audio.tobytes() for clip in clips(CLIPS)]
    rounds = [
        Round.of(
            f"round {n}", [pcm[(UTTERANCES * n + i) % CLIPS] for i in range(UTTERANCES)], PAUSE
        )
        for n in range(options.streams)
    ]
    flags = ("--slots", str(2 * options.streams), *options.server_flags)
    return asyncio.run(reloads(flags, rounds, options.reloads))


async def reloads(flags: Sequence[str], rounds: Sequence[Round], times: int) -> Outcome:
    """Starts a server with ``flags`` and has it read its model ``times`` times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        replace_files(folder)
        with ServerProcess("--lm", str(folder / FILES[0]), *flags) as server:
            expected = await asyncio.gather(*(play(server.url, said) for said in rounds))
            failures: list[str] = []
            finals: list[int] = []
            over = asyncio.Event()
            took_s: list[float] = []
            async with asyncio.TaskGroup() as clients:
                for said, heard in zip(rounds, expected, strict=True):
                    clients.create_task(_speak(server.url, said, heard, finals, failures, over))
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
    failures += unexpected
    return Outcome(
        [
            f"{times} reloads, {max(took_s, default=0):.1f} s at most; {len(finals)} connections, "
            f"{sum(finals)} finals: {len(failures)} differ or were lost",
        ],
        {"reloads": times, "took_s": took_s, "connections": len(finals), "finals": sum(finals)},
        failures,
    )


async def _speak(
    url: str,
    said: Round,
    expected: Heard,
    finals: list[int],
    failures: list[str],
    over: asyncio.Event,
) -> None:
    while not over.is_set():
        try:
            heard = await play(url, said)
        except ChaosError as error:
            failures.append(str(error))
            continue
        finals.append(len(heard.finals))
        if heard.finals != expected.finals:
            failures.append(f"{said.name}: {heard.finals} instead of {expected.finals}")


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
