"""The engine and the naive design, side by side: the same weights, protocol, speech and tester.

    python -m bench.peers [--streams 1 2 4] [--seconds 20] [--beam-size 100] [--json FILE]

For each number of streams both servers are started, one after the other, and played the same clips
by the load tester. The engine runs without its second pass and with partials for every chunk, as
`bench.naive` does, both with the same beam: by default pyctcdecode's own default, since at the
engine's of 600 the naive design falls behind with one stream. It prints each figure of both and
their ratio, which a slow machine changes less than the figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tests.conformance.server_process import ROOT, ServerProcess, free_port

ENGINE: Final = "engine"
NAIVE: Final = "naive"
FLAGS: Final = ("--second-pass", "off", "--intermed-partials")


@dataclass(frozen=True, slots=True)
class Result:
    """What the load tester says of one server at one load. None where there is no such figure."""

    done_final_p50_ms: float | None
    done_final_p99_ms: float | None
    lag_p99_ms: float | None
    word_errors: float | None
    lost: int

    @staticmethod
    def of(document: dict[str, Any]) -> Result:
        done = document["latencies"]["done_final_ms"]["summary"] or {}
        lag = document["latencies"]["lag_ms"]["summary"] or {}
        return Result(
            done.get("p50"),
            done.get("p99"),
            lag.get("p99"),
            document["word_errors"]["rate"],
            document["lost_finals"],
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=int, default=20, help="of audio on each stream")
    parser.add_argument("--beam-size", type=int, default=100)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    found: dict[int, dict[str, Result]] = {}
    print("\n".join(HEAD))
    for streams in options.streams:
        beam = ("--beam-size", str(options.beam_size))
        with ServerProcess("--slots", str(streams), *beam, *FLAGS) as server:
            engine = measured(server.url, streams, options.seconds)
        with naive(*beam) as url:
            peer = measured(url, streams, options.seconds)
        found[streams] = {ENGINE: engine, NAIVE: peer}
        print(row(streams, engine, peer), flush=True)
    if options.json is not None:
        written = {
            streams: {name: asdict(result) for name, result in pair.items()}
            for streams, pair in found.items()
        }
        options.json.write_text(json.dumps(written) + "\n", encoding="utf-8")
    return 0


HEAD: Final = (
    "| streams | done to final, p50: engine, naive, ratio | p99 | partial lag, p99 "
    "| word errors | lost finals |",
    "|---|---|---|---|---|---|",
)


def row(streams: int, engine: Result, peer: Result) -> str:
    """A line of the table, in Markdown."""
    cells = [
        str(streams),
        _milliseconds(engine.done_final_p50_ms, peer.done_final_p50_ms),
        _milliseconds(engine.done_final_p99_ms, peer.done_final_p99_ms),
        _milliseconds(engine.lag_p99_ms, peer.lag_p99_ms),
        f"{_percent(engine.word_errors)}, {_percent(peer.word_errors)}",
        f"{engine.lost}, {peer.lost}",
    ]
    return f"| {' | '.join(cells)} |"


def measured(url: str, streams: int, seconds: int) -> Result:
    """The load tester's figures; its verdict is of no interest here."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        path = Path(folder, "run.json")
        command = [sys.executable, "-m", "tools.loadtest", "--url", url, "--json", str(path)]
        command += ["--streams", str(streams), "--duration", str(seconds), "--timeout", "60"]
        subprocess.run(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=20 * seconds + 300,
        )
        return Result.of(json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def naive(*flags: str) -> Iterator[str]:
    """The naive server in a process of its own; gives its URL."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.naive", "--port", str(port), *flags],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        if not any("is ready" in line for line in process.stderr):
            raise SystemExit("the naive server did not start")
        yield f"ws://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _milliseconds(engine: float | None, peer: float | None) -> str:
    if engine is None or peer is None:
        return f"{_whole(engine)}, {_whole(peer)}"
    return f"{engine:.0f}, {peer:.0f} ms, 1:{peer / engine:.1f}"


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"


if __name__ == "__main__":
    sys.exit(main())
