"""``make bench``: prints the figures of README, docs/PERFORMANCE.md and docs/LOG.md again.

One after the other, because two cores cannot measure two things: what a step, a search, a frontend
and an idle engine cost; where a chunk's time goes; the engine beside the naive design; then, of a
server with the default settings, accuracy through the WebSocket over the bundled clips at 16 and
8 kHz, and the load test.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading


def main() -> int:
    """Runs the benchmarks; the exit status of the load test."""
    for module in ("floor", "step", "decoder", "frontends", "idle"):
        run(f"bench.{module}")
    run("bench.trace", "--second-pass", "off")
    run("bench.peers")
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve", "--port", str(port), "--intermed-partials"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for_banner(server)
        url = f"ws://localhost:{port}"
        run("bench.eval", "--sections", "accuracy", "--url", url)
        return run("tools.loadtest", "--streams", "6", "--url", url)
    finally:
        server.terminate()
        server.wait()


def run(module: str, *arguments: str) -> int:
    """Runs a module to its end and returns its exit status."""
    print(f"\n# {module} {' '.join(arguments)}", flush=True)
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_banner(server: subprocess.Popen[str]) -> None:
    """Returns once the server says that it is ready; echoes what it says from then on."""
    assert server.stderr is not None
    for line in server.stderr:
        print(line, end="")
        if "is ready" in line:
            threading.Thread(target=echo, args=(server,), daemon=True).start()
            return
    raise SystemExit("the server did not start")


def echo(server: subprocess.Popen[str]) -> None:
    """Passes on the server's log."""
    assert server.stderr is not None
    for line in server.stderr:
        print(line, end="")


if __name__ == "__main__":
    sys.exit(main())
