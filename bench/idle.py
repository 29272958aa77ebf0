"""What an engine that has nothing to do takes of a core: alone, and with silent connections open.

    python -m bench.idle [--connections 6] [--seconds 20] [SERVER FLAGS ...]

The bundled models with the settings given, default ones otherwise. CPU of every process, kernel
included, from /proc. It exits 1 where all of them together take `MOST` of a core or more.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from bench.usage import cpu_seconds, taken
from tests.conformance.client import Client
from tests.conformance.server_process import ServerProcess

MOST: Final = 0.02
SETTLE_S: Final = 2.0
"""Start-up and handshakes are no part of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table for each state; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.idle", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--connections", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20.0, help="to watch in each state")
    options, flags = parser.parse_known_args(arguments)
    with ServerProcess("--slots", str(max(1, options.connections)), *flags) as server:
        print(table("no connection", watched(server.pid, options.seconds)))
        with ExitStack() as stack:
            for _ in range(options.connections):
                stack.enter_context(Client(server.url))
            shares = watched(server.pid, options.seconds)
    print(table(f"{options.connections} connections that say nothing", shares))
    return 0 if sum(shares.values()) < MOST else 1


def watched(supervisor_pid: int, seconds: float) -> dict[str, float]:
    """The share of a core that each process takes."""
    time.sleep(SETTLE_S)
    before, began_s = cpu_seconds(supervisor_pid), time.monotonic()
    time.sleep(seconds)
    after, length_s = cpu_seconds(supervisor_pid), time.monotonic() - began_s
    return {name: spent / length_s for name, spent in taken(before, after).items()}


def table(state: str, shares: dict[str, float]) -> str:
    """Each process's share, and their sum."""
    rows = [f"  {name:<14}{share:7.2%}" for name, share in shares.items()]
    return "\n".join([state, *rows, f"  {'all':<14}{sum(shares.values()):7.2%}"])


if __name__ == "__main__":
    sys.exit(main())
