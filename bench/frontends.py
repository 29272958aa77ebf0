"""What a frontend process costs: CPU for each message, each result and each connection.

    python -m bench.frontends [--messages 3000] [--connections 200]

A real server of the echo model, whose engine costs next to nothing, is sent silence as fast as it
takes it, at the model's rate and at 8 kHz (resampled), and then connections that come, say `done`
and leave. The figures are CPU seconds of the frontend process, kernel included, from /proc.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from bench.usage import by_kind, cpu_seconds, taken
from tests.conformance.client import Client, message_limit, query
from tests.conformance.server_process import ECHO, ServerProcess

STREAMS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.frontends", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--messages", type=int, default=3000, help="of 128 ms, at each rate")
    parser.add_argument("--connections", type=int, default=200)
    options = parser.parse_args(arguments)
    flags = ("--model", str(ECHO), "--slots", str(STREAMS), "--frontends", "1")
    with ServerProcess(*flags) as server:
        for rate_hz in (16_000, 8_000):
            seconds = cost(server.pid, lambda: send(server.url, rate_hz, options.messages))  # noqa: B023
            micros = seconds / options.messages * 1e6
            print(
                f"a message of 128 ms at {rate_hz:5} Hz  {micros:7.1f} us,"
                f" a stream {micros / 128_000:.3%} of a core"
            )
        seconds = cost(server.pid, lambda: come_and_go(server.url, options.connections))
        print(f"a connection, its done and final  {seconds / options.connections * 1e6:7.1f} us")
    return 0


def cost(supervisor_pid: int, work: Callable[[], None]) -> float:
    """CPU seconds of the frontends while ``work`` runs."""
    before = cpu_seconds(supervisor_pid)
    work()
    return by_kind(taken(before, cpu_seconds(supervisor_pid)))["frontend"]


def send(url: str, rate_hz: int, messages: int) -> None:
    """So many messages of silence over a few connections, in turns, and one `done` on each."""
    message = bytes(message_limit(rate_hz))
    with ExitStack() as stack:
        clients = [
            stack.enter_context(Client(url, query(rate_hz), rate_hz)) for _ in range(STREAMS)
        ]
        for number in range(messages):
            clients[number % STREAMS].send_audio(message)
        for client in clients:
            client.done()


def come_and_go(url: str, connections: int) -> None:
    """One connection after the other."""
    for _ in range(connections):
        with Client(url) as client:
            client.done()


if __name__ == "__main__":
    sys.exit(main())
