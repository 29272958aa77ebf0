"""Reload and drain under load: SIGHUP reads keys and certificate again, SIGTERM stops the server.

The same streams, in real time, three times. Undisturbed. While keys and certificate change every
few seconds: no stream may notice, the new key must let in where the old one does not any more. And
cut off in the middle of what they say by SIGTERM, while others ask for a stream: nobody new may be
let in, what was heard of every utterance must come as its final, byte for byte what it is when the
client ends the same audio by itself, and the exit status must be 0.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import ssl
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.chaos.beside import together
from bench.chaos.comparison import HEADING, Comparison, beside, latencies, ratio_of
from bench.chaos.outcome import Outcome
from bench.chaos.requests import opening_request, status_of
from bench.chaos.rounds import Door, Round, play_all, spoken_rounds
from tests.conformance.server_process import HOST, ServerProcess
from tests.conformance.waiting import PATIENCE_S
from tests.server.certificates import make_pair

RELOAD_EVERY_S: Final = 2.0
KNOCK_EVERY_S: Final = 0.05
GOING_AWAY: Final = 1001
SILENT: Final = 3
"""Connections that have not even begun their TLS handshake when the server stops."""
SHARES: Final = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
"""How much of its round each stream has said when the server stops, in turn."""


def add_options(_add: Any) -> None:
    """It has none of its own."""


def run(options: argparse.Namespace) -> Outcome:
    """Starts a server with TLS and a key. Raises ChaosError if it fails undisturbed."""
    rounds = spoken_rounds(options.streams, options.seconds)
    with guarded_server("--slots", str(2 * options.streams), *options.server_flags) as guarded:
        return asyncio.run(drain(guarded, rounds))


@dataclass(slots=True)
class Guarded:
    """A server, the key that it asks for, and the certificate that it shows."""

    server: ServerProcess
    folder: Path
    times: int = 0

    @property
    def key(self) -> str:
        return f"this-is-key-number-{self.times}"

    @property
    def door(self) -> Door:
        return Door(self.key, ssl.create_default_context(cafile=self.folder / "our-cert.pem"))

    def renew(self) -> None:
        """Another key and another certificate in the files."""
        self.times += 1
        (self.folder / "keys").write_text(self.key + "\n")
        for path in make_pair(self.folder, "new"):
            shutil.copy(path, path.with_name(path.name.replace("new", "our")))


@contextmanager
def guarded_server(*flags: str) -> Iterator[Guarded]:
    """A server whose keys and certificate lie in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cert, key = make_pair(folder, "our")
        server = ServerProcess(
            "--ssl-cert", str(cert), "--ssl-key", str(key), "--api-key-file", str(folder / "keys"),
            *flags, scheme="wss",
        )  # fmt: skip
        guarded = Guarded(server, folder)
        (folder / "keys").write_text(guarded.key + "\n")
        with server:
            yield guarded


async def drain(guarded: Guarded, rounds: Sequence[Round]) -> Outcome:
    """``rounds`` leave slots free, for others to ask for. The server has ended afterwards."""
    server, found, failures = guarded.server, Comparison(), []
    cut = [said.until(SHARES[n % len(SHARES)]) for n, said in enumerate(rounds)]
    expected = await play_all(server.url, rounds, door=guarded.door)
    of_cut = await play_all(server.url, cut, door=guarded.door)

    seconds = min(said.seconds for said in rounds)
    heard, (reloads, wrong) = await together(
        server.url, rounds, lambda: _reload(guarded, seconds), door=guarded.door
    )
    failures += (f"SIGHUP: {line}" for line in (*wrong, *found.merge(rounds, expected, heard)))
    quiet, loud = latencies(expected), latencies(heard)

    said_all = asyncio.Event()
    ends, stopped = await together(
        server.url, cut, lambda: _stop(guarded, cut, said_all), door=guarded.door, until=said_all
    )
    failures += (f"SIGTERM: {line}" for line in found.merge(cut, of_cut, ends))
    codes = [getattr(end, "close_code", None) for end in ends]
    if codes != [GOING_AWAY] * len(codes):
        failures.append(f"SIGTERM: close codes {codes} instead of {GOING_AWAY}")
    if stopped.let_in:
        failures.append(f"SIGTERM: {stopped.let_in} new streams were let in")
    if stopped.status != 0:
        failures.append(f"SIGTERM: exit status {stopped.status}")
    lines = [
        f"files were read again {reloads} times in {seconds:.0f} s; {found.line}",
        HEADING,
        *beside("undisturbed", quiet, quiet),
        *beside("keys and certificate renewed", loud, quiet),
        f"stopped in mid-utterance: exit status {stopped.status} after {stopped.took_s:.2f} s, "
        f"{stopped.asked} asked meanwhile, {stopped.let_in} let in",
    ]
    figures = {
        "reloads": reloads,
        "undisturbed": quiet,
        "reloading": loud,
        "p99_ratio": {metric: ratio_of(loud[metric], quiet[metric]) for metric in loud},
        "exit_status": stopped.status,
        "stopped_after_s": stopped.took_s,
        "asked_while_stopping": stopped.asked,
        "let_in_while_stopping": stopped.let_in,
        "finals": found.finals,
        "words": found.words,
    }
    return Outcome(lines, figures, failures)


async def _reload(guarded: Guarded, seconds: float) -> tuple[int, list[str]]:
    """Renews the files for so long; how often, and what was wrong after it."""
    wrong: list[str] = []
    deadline_s, times = time.monotonic() + seconds, 0
    while not times or time.monotonic() + RELOAD_EVERY_S < deadline_s:
        old = guarded.door
        await asyncio.to_thread(guarded.renew)
        os.kill(guarded.server.pid, signal.SIGHUP)
        times += 1
        if not await _lets_in(guarded, guarded.door):
            wrong.append("the new key and certificate do not hold")
        elif await _status(guarded, Door(old.key, guarded.door.context)) != 401:
            wrong.append("the old key still lets in")
        await asyncio.sleep(RELOAD_EVERY_S)
    return times, wrong


async def _lets_in(guarded: Guarded, door: Door) -> bool:
    """Whether it does within the patience of a test: signals take their time."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if await _status(guarded, door) == 101:
            return True
        await asyncio.sleep(KNOCK_EVERY_S)
    return False


async def _status(guarded: Guarded, door: Door) -> int:
    """What a request for a stream is answered with; 0 if with nothing."""
    try:
        reader, writer = await asyncio.open_connection(HOST, guarded.server.port, ssl=door.context)
        try:
            writer.write(opening_request(key=door.key))
            return status_of(await reader.readuntil(b"\r\n\r\n"))
        finally:
            writer.transport.abort()
    except (OSError, asyncio.IncompleteReadError):
        return 0


@dataclass(frozen=True, slots=True)
class _Stopped:
    status: int
    took_s: float
    asked: int
    let_in: int


async def _stop(guarded: Guarded, rounds: Sequence[Round], said_all: asyncio.Event) -> _Stopped:
    """SIGTERM once all rounds are said; others ask from then on until the server has ended."""
    await asyncio.sleep(max(said.seconds for said in rounds) + RELOAD_EVERY_S)
    silent = [await asyncio.open_connection(HOST, guarded.server.port) for _ in range(SILENT)]
    os.kill(guarded.server.pid, signal.SIGTERM)
    began_s = time.monotonic()
    said_all.set()
    ending = asyncio.create_task(asyncio.to_thread(guarded.server.wait))
    await _refused(guarded)
    asked = let_in = 0
    while not ending.done():
        asked += 1
        let_in += await _status(guarded, guarded.door) == 101
        await asyncio.sleep(KNOCK_EVERY_S)
    for _, writer in silent:
        writer.transport.abort()
    return _Stopped(await ending, time.monotonic() - began_s, asked, let_in)


async def _refused(guarded: Guarded) -> None:
    """Until the signal has arrived: nobody listens any more."""
    deadline_s = time.monotonic() + PATIENCE_S
    while await _status(guarded, guarded.door) == 101 and time.monotonic() < deadline_s:
        pass  # an answer takes its time
