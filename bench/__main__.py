"""``make bench``: prints the figures of README, docs/PERFORMANCE.md and docs/LOG.md again.

One after the other, because two cores cannot measure two things: what a step, a search, a frontend
and an idle engine cost; where a chunk's time goes; the engine beside its peers; accuracy through
the WebSocket over the bundled clips at 16 and 8 kHz; then, with the second pass and without, the
load test of six streams, and how many streams the machine holds. Nearly an hour.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Final

from tests.conformance.server_process import ServerProcess

FIRST_PASS_ALONE: Final = ("--second-pass", "off")


def main() -> int:
    """Runs the benchmarks; 0 if six streams kept their bounds in both load tests."""
    about = (__doc__ or "").splitlines()[0]
    argparse.ArgumentParser(prog="python -m bench", description=about).parse_args()
    for module in ("floor", "step", "decoder", "frontends", "idle"):
        run(f"bench.{module}")
    run("bench.trace", *FIRST_PASS_ALONE)
    run("bench.peers")
    run("bench.eval", "--sections", "accuracy")
    missed = load((), streams=12)
    return load(FIRST_PASS_ALONE, streams=24) or missed


def load(flags: tuple[str, ...], streams: int) -> int:
    """Six streams, and the most that a server with these flags holds, searched from ``streams``."""
    with ServerProcess(*flags) as server:
        print(f"\n# realtime-engine serve {' '.join(flags)}", flush=True)
        missed = run("tools.loadtest", "--streams", "6", "--url", server.url)
        run("tools.loadtest", "--find-max", "--streams", str(streams), "--url", server.url)
        return missed


def run(module: str, *arguments: str) -> int:
    """Runs a module to its end and returns its exit status."""
    print(f"\n# {module} {' '.join(arguments)}", flush=True)
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
