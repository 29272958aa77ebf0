"""The engine and its peers, side by side: the same weights, speech and load tester.

    python -m bench.peers [--against naive sherpa-onnx] [--streams 1 2 4] [--seconds 20]
                          [--beam-size 100] [--json FILE]

For each number of streams both servers are started, one after the other, and played the same clips.
The engine runs without its second pass and with partials for every chunk, as they do.

naive        `bench.naive`: same protocol, language model and beam; by default pyctcdecode's own
             default, since at the engine's of 600 it falls behind with one stream
sherpa-onnx  its online WebSocket server with the model that `bench.sherpa` exports, in float32 and,
             where the engine can, with both in 8 bits. Greedy search and no language model in both,
             16 kHz. Both serve whisper-tiny-ctc-en, since the default, which takes audio instead of
             features, fits no type of its models. It gets a connection for each clip, the engine
             one for each stream.

It prints each figure of both and their ratio, which a slow machine changes less than the figures.
CPU is that of all the server's processes while the load is played, for a second of its audio.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch

from bench import sherpa
from bench.usage import cpu_seconds, taken
from gpu_worker.device import uses_int8
from models import WHISPER_CTC_MODEL
from models.spec import ModelSpec
from tests.conformance.server_process import ROOT, ServerProcess, free_port

ENGINE: Final = "engine"
NAIVE: Final = "naive"
SHERPA: Final = "sherpa-onnx"
STREAMS: Final = {NAIVE: (1, 2, 4), SHERPA: (1, 2, 4, 6)}
FLAGS: Final = ("--second-pass", "off", "--intermed-partials")
GREEDY: Final = ("--beam-size", "1", "--lm", "off")

Server = AbstractContextManager[tuple[str, int]]
"""Its URL and the id of its (first) process."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the load tester says of one server at one load. None where there is no such figure."""

    done_final_p50_ms: float | None
    done_final_p99_ms: float | None
    lag_p99_ms: float | None
    word_errors: float | None
    lost: int
    cpu_ms: float | None
    """For a second of audio."""

    @staticmethod
    def of(document: dict[str, Any], cpu_s: float) -> Result:
        done = document["latencies"]["done_final_ms"]["summary"] or {}
        lag = document["latencies"]["lag_ms"]["summary"] or {}
        audio_s = sum(turn["done_due_s"] - turn["start_s"] for turn in document["turns"])
        return Result(
            done.get("p50"),
            done.get("p99"),
            lag.get("p99"),
            document["word_errors"]["rate"],
            document["lost_finals"],
            1000 * cpu_s / audio_s if audio_s else None,
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The engine with some flags, and a peer that does the same."""

    title: str
    flags: tuple[str, ...]
    peer: Callable[[], Server]
    protocol: str
    rate_hz: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table for each comparison; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--against", nargs="+", choices=tuple(STREAMS), default=list(STREAMS))
    parser.add_argument("--streams", type=int, nargs="+", help="default: as docs/PERFORMANCE.md")
    parser.add_argument("--seconds", type=int, default=20, help="of audio on each stream")
    parser.add_argument("--beam-size", type=int, default=100, help="of the engine and naive")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    found: dict[str, dict[int, dict[str, Result]]] = {}
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        for name in options.against:
            streams = options.streams or STREAMS[name]
            for comparison in comparisons(name, options.beam_size, Path(folder)):
                found[comparison.title] = compared(comparison, streams, options.seconds)
    if options.json is not None:
        written = {
            title: {
                streams: {name: asdict(result) for name, result in pair.items()}
                for streams, pair in loads.items()
            }
            for title, loads in found.items()
        }
        options.json.write_text(json.dumps(written) + "\n", encoding="utf-8")
    return 0


def comparisons(name: str, beam_size: int, folder: Path) -> Iterator[Comparison]:
    """With one peer. What has to be written for it goes to ``folder``."""
    if name == NAIVE:
        beam = ("--beam-size", str(beam_size))
        yield Comparison(NAIVE, beam, lambda: naive(*beam), "ours", 8000)
        return
    lacking = sherpa.missing()
    if lacking is not None:
        print(lacking, file=sys.stderr)
        return
    spec = ModelSpec.load(WHISPER_CTC_MODEL)
    for precision in precisions():
        sherpa.export(spec, folder, int8=precision == "int8")
        flags = (*GREEDY, "--model", str(WHISPER_CTC_MODEL), "--precision", precision)
        title = f"{SHERPA} in {precision}"
        yield Comparison(title, flags, lambda: sherpa.sherpa(folder, spec), SHERPA, 16_000)


def precisions() -> tuple[str, ...]:
    """In which the engine can compute here."""
    return ("float32", "int8") if uses_int8("auto", torch.device("cpu")) else ("float32",)


def compared(
    comparison: Comparison, streams: Sequence[int], seconds: int
) -> dict[int, dict[str, Result]]:
    """Both servers at each number of streams, told as they come."""
    print("\n" + "\n".join(head(comparison.title)), flush=True)
    found = {}
    for number in streams:
        with engine("--slots", str(number), *comparison.flags, *FLAGS) as server:
            ours = measured(server, number, seconds, "ours", comparison.rate_hz)
        with comparison.peer() as server:
            theirs = measured(server, number, seconds, comparison.protocol, comparison.rate_hz)
        found[number] = {ENGINE: ours, comparison.title: theirs}
        print(row(number, ours, theirs), flush=True)
    return found


def head(peer: str) -> tuple[str, str]:
    """The table's first lines, in Markdown."""
    names = f"| streams | done to final, p50: engine, {peer}, ratio | p99 | partial lag, p99 "
    return names + "| word errors | lost finals | CPU of a second |", "|---" * 7 + "|"


def row(streams: int, engine: Result, peer: Result) -> str:
    """A line of the table, in Markdown."""
    cells = [
        str(streams),
        _milliseconds(engine.done_final_p50_ms, peer.done_final_p50_ms),
        _milliseconds(engine.done_final_p99_ms, peer.done_final_p99_ms),
        _milliseconds(engine.lag_p99_ms, peer.lag_p99_ms),
        f"{_percent(engine.word_errors)}, {_percent(peer.word_errors)}",
        f"{engine.lost}, {peer.lost}",
        _milliseconds(engine.cpu_ms, peer.cpu_ms),
    ]
    return f"| {' | '.join(cells)} |"


def measured(
    server: tuple[str, int], streams: int, seconds: int, protocol: str, rate_hz: int
) -> Result:
    """The load tester's figures; its verdict is of no interest here."""
    url, pid = server
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        path = Path(folder, "run.json")
        command = [sys.executable, "-m", "tools.loadtest", "--url", url, "--json", str(path)]
        command += ["--protocol", protocol, "--sample-rate", str(rate_hz)]
        command += ["--streams", str(streams), "--duration", str(seconds), "--timeout", "60"]
        before = cpu_seconds(pid)
        subprocess.run(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=20 * seconds + 300,
        )
        cpu_s = sum(taken(before, cpu_seconds(pid)).values())
        return Result.of(json.loads(path.read_text(encoding="utf-8")), cpu_s)


@contextmanager
def engine(*flags: str) -> Iterator[tuple[str, int]]:
    """The engine; gives its URL and its supervisor's process id."""
    with ServerProcess(*flags) as server:
        yield server.url, server.pid


@contextmanager
def naive(*flags: str) -> Iterator[tuple[str, int]]:
    """The naive server in a process of its own; gives its URL and its process id."""
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
        yield f"ws://127.0.0.1:{port}", process.pid
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
