"""Two servers behind HAProxy under load, one of them drained and restarted meanwhile.

``python -m bench.balancing`` uses the configuration of deploy/haproxy, the bundled model without a
second pass (two engines share this machine) and three runs of the load tester, all through the
balancer: streams that are there before the drain, streams that come while there is one server, and
streams that come after its return. Exits 0 if each of the three finds every bound kept.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

from tests.conformance.server_process import ROOT, ServerProcess, free_port
from tests.conformance.waiting import wait_until
from tests.deploy.balancer import HAPROXY, NEEDED, Balancer

FLAGS: Final = ("--second-pass", "off", "--slots", "8", "--beam-size", "100")
SETTLE_S: Final = 5
STAYING: Final = "ws1"
RESTARTED: Final = "ws2"


class _Load:
    """A load test in a process of its own."""

    def __init__(self, what: str, url: str, streams: int, duration_s: int) -> None:
        self._what = what
        options = ("--url", url, "--streams", str(streams), "--duration", str(duration_s))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.loadtest", *options],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def passed(self) -> bool:
        """Waits for the end and prints the table."""
        table, _ = self._process.communicate()
        print(f"\n# {self._what}\n{table}", flush=True)
        return self._process.returncode == 0


def main() -> int:
    """Runs the whole course; returns the exit status."""
    if HAPROXY is None:
        sys.exit(NEEDED)
    port = free_port()
    with ServerProcess(*FLAGS) as first:
        second = _server(port)
        with Balancer({STAYING: first.port, RESTARTED: port}) as balancer:
            loads = [_Load("connected before the drain", balancer.url, 4, 25)]
            _show(balancer, "four streams")
            balancer.command(f"set server websocket/{RESTARTED} state drain")
            loads.append(_Load("connected while one server drains", balancer.url, 2, 60))
            _show(balancer, f"{RESTARTED} drains, two streams more")
            wait_until(lambda: balancer.streams(RESTARTED) == 0, f"{RESTARTED} has no stream")
            print(f"{RESTARTED} is empty and ends with status {second.stop()}", flush=True)
            third = _server(port)
            balancer.command(f"set server websocket/{RESTARTED} state ready")
            balancer.wait_for(RESTARTED, "UP")
            loads.append(_Load("connected after its return", balancer.url, 2, 20))
            _show(balancer, f"{RESTARTED} is back, two streams more")
            passed = [load.passed() for load in loads]
            third.stop()
    return 0 if all(passed) else 1


def _server(port: int) -> ServerProcess:
    server = ServerProcess(*FLAGS)
    server.port = port
    return server.__enter__()


def _show(balancer: Balancer, what: str) -> None:
    time.sleep(SETTLE_S)
    counts = ", ".join(f"{name} {balancer.streams(name)}" for name in (STAYING, RESTARTED))
    print(f"{what}: {counts}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
