"""The link's process: ``python -m server.tiers.link_process JSON``. In place of worker and decoder.

It is woken by the bell of the worker it stands for, by its model servers, and by the clock: nobody
rings when a frontend has taken results from a full outbox. It loads neither model nor WebSockets.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
from pathlib import Path
from typing import Final

import uvloop

from server.tiers.dialling import Visits
from server.tiers.figures import LinkFigures
from server.tiers.keys import KeyFileError, load_key
from server.tiers.link import Link
from server.tiers.settings import LinkSettings
from shm.child import ROUND_TIMEOUT_MS, Child, run_child
from shm.link_line import LinkLine
from shm.link_slot import LinkSlot
from shm.process_line import ProcessLine

TICK_S: Final = ROUND_TIMEOUT_MS / 1000


class LinkProcess:
    """The link on its event loop."""

    def __init__(self, child: Child, settings: LinkSettings, line: ProcessLine) -> None:
        self._loop = asyncio.get_running_loop()
        self._line = line
        self._told = LinkLine(child.plane)
        self._bell = child.bells.workers[0]
        self._stopping = asyncio.Event()
        slots = [
            LinkSlot(child.plane, child.bells, slot) for slot in range(child.plane.geometry.slots)
        ]
        self._link = Link(slots, self._told, settings.partials, LinkFigures(child.plane))
        key = load_key(settings.key_path, os.environ)
        self._visits = Visits(self._link, key, tls_context(settings), self._pump)
        self._hosts = settings.names
        self._loop.add_reader(self._bell.fd, self._on_bell)
        self._loop.add_reader(child.lifeline_fd, self._on_orphaned, child.lifeline_fd)
        self._loop.add_signal_handler(signal.SIGTERM, self._stopping.set)

    async def run(self) -> None:
        """Until told to stop, or the supervisor is gone."""
        visiting = asyncio.create_task(self._visits.run(self._hosts))
        self._tick()
        gc.collect()
        gc.freeze()
        self._line.ready()
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({visiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if visiting.done():
            visiting.result()  # it only ends by our mistake

    def _pump(self) -> None:
        self._link.pump()
        self._visits.flush()

    def _on_bell(self) -> None:
        self._bell.clear()
        self._pump()

    def _tick(self) -> None:
        self._loop.call_later(TICK_S, self._tick)
        self._line.beat()
        self._visits.tick()
        self._pump()
        for visit in self._visits.open:
            if visit.connection.channel.round_trip_s is not None:
                self._told.took(visit.connection.channel.round_trip_s)

    def _on_orphaned(self, lifeline_fd: int) -> None:
        self._loop.remove_reader(lifeline_fd)  # it stays readable
        self._stopping.set()


def tls_context(settings: LinkSettings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer that checks the model server's certificate and name; None without TLS."""
    if not settings.tls:
        return None
    context = ssl.create_default_context(cafile=Path(settings.ca) if settings.ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def main(child: Child) -> None:
    """Runs the event loop of the link until SIGTERM or the supervisor's death."""
    settings = LinkSettings(**child.settings)
    line = ProcessLine(child.plane, child.plane.layout.link_process)
    line.announce(child.generation)

    async def run() -> None:
        await LinkProcess(child, settings, line).run()

    uvloop.run(run())


if __name__ == "__main__":
    run_child(main, (KeyFileError,))
