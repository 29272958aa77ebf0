"""Where a chunk's time goes: the stages of its way through a real server, at several loads.

    python -m bench.trace [--streams 1 6] [--seconds 30] [--second-pass off] [--output FILE.png]

For each number of streams it starts a server with partials for every chunk, puts the load tester on
it, and meanwhile reads the times of the chunk that each slot has sent last from the shared plane
(`shm.trace`): nothing is measured by the client, and looking costs the server nothing. It prints
each stage's latencies, names the slowest, and draws what a chunk's time is made of at the mean.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.usage import by_kind, cpu_seconds, taken
from shm.inspect import plane_of
from shm.plane import Plane
from shm.trace import STAGES, Trace, found_in
from tests.conformance.server_process import ROOT, ServerProcess

OUTPUT: Final = ROOT / "docs" / "images" / "trace.png"
LOOK_EVERY_S: Final = 0.02
"""A slot sends a result for every chunk at most, so none is missed."""
WARM_UP: Final = 1
"""Traces of each slot that are left out: the first chunk of a connection waits for its lane."""
NAMES: Final = {
    "received_to_ringed": "socket to ring",
    "ringed_to_staged": "wait for a turn",
    "staged_to_stepped": "step of the model",
    "stepped_to_decoded": "beam search",
    "decoded_to_published": "second pass",
    "published_to_sent": "result to socket",
}
COLOURS: Final = ("#56B4E9", "#E69F00", "#0072B2", "#009E73", "#CC79A7", "#999999")
"""Of Okabe and Ito (2008), told apart with any colour vision."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage over many chunks, in ms."""

    name: str
    mean: float
    p50: float
    p99: float


class Gatherer:
    """Keeps every trace once, however often a slot is looked at."""

    def __init__(self) -> None:
        self._of_slot: dict[int, list[Trace]] = {}

    def look(self, slot: int, trace: Trace | None) -> None:
        """What a slot shows at this moment."""
        known = self.known(slot)
        if trace is not None and (not known or known[-1].sent_ns != trace.sent_ns):
            known.append(trace)

    def known(self, slot: int) -> list[Trace]:
        """All of a slot, in their order."""
        return self._of_slot.setdefault(slot, [])

    @property
    def traces(self) -> list[Trace]:
        """Of all slots, without those of their warm-up."""
        return [trace for known in self._of_slot.values() for trace in known[WARM_UP:]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs every load, prints the tables, draws the picture; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.trace", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 6])
    parser.add_argument("--seconds", type=int, default=30, help="of audio on each stream")
    parser.add_argument("--second-pass", default=None, metavar="off|DIR", help="as the server's")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    flags = ["--intermed-partials"]
    if options.second_pass is not None:
        flags += ["--second-pass", options.second_pass]
    found: dict[int, list[Trace]] = {}
    for streams in options.streams:
        found[streams], cpu_s = measured(streams, options.seconds, flags)
        if not found[streams]:
            print(f"no chunk of {streams} streams was answered", file=sys.stderr)
            return 1
        print(table(streams, found[streams]))
        print(cpu_line(cpu_s, streams * options.seconds), flush=True)
    draw({streams: stages(traces) for streams, traces in found.items()}, options.output)
    print(f"drawn: {options.output}")
    return 0


def measured(
    streams: int, seconds: int, flags: Sequence[str]
) -> tuple[list[Trace], dict[str, float]]:
    """A server of its own under so many streams: its traces, and CPU seconds by kind of process."""
    with ServerProcess("--slots", str(streams), *flags) as server:
        plane = plane_of(server.pid)
        gatherer = Gatherer()
        before = cpu_seconds(server.pid)
        with watched(plane, gatherer):
            command = [sys.executable, "-m", "tools.loadtest", "--url", server.url]
            command += ["--streams", str(streams), "--duration", str(seconds)]
            subprocess.run(
                command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False, timeout=seconds + 120
            )
        cpu_s = by_kind(taken(before, cpu_seconds(server.pid)))
        plane.close()
    return gatherer.traces, cpu_s


@contextmanager
def watched(plane: Plane, gatherer: Gatherer) -> Iterator[None]:
    """Looks at every slot again and again while the block runs."""
    over = threading.Event()
    lines = [plane.line(plane.layout.frontend_line(slot)) for slot in range(plane.geometry.slots)]

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            for slot, line in enumerate(lines):
                gatherer.look(slot, found_in(line))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def stages(traces: Sequence[Trace]) -> list[Stage]:
    """Each stage over ``traces`` (at least one), in their order."""
    spans = [trace.stages_ms() for trace in traces]
    return [_summed(NAMES[name], [span[name] for span in spans]) for name in STAGES]


def table(streams: int, traces: Sequence[Trace]) -> str:
    """The stages, their sum, and the slowest by name."""
    rows = stages(traces)
    total = _summed("received to sent", [trace.total_ms for trace in traces])
    slowest = max(rows, key=lambda stage: stage.mean)
    lines = [f"{streams} streams, {len(traces)} chunks; ms", f"{'':<18}  mean    p50    p99  share"]
    lines += [
        f"{row.name:<18}{row.mean:6.1f} {row.p50:6.1f} {row.p99:6.1f} {row.mean / total.mean:6.1%}"
        for row in (*rows, total)
    ]
    return "\n".join([*lines, f"slowest: {slowest.name}"])


def cpu_line(cpu_s: dict[str, float], audio_s: float) -> str:
    """What a second of audio costs each kind of process."""
    costs = ", ".join(f"{kind} {1000 * spent / audio_s:.1f}" for kind, spent in cpu_s.items())
    return f"CPU ms for a second of audio: {costs}\n"


def draw(loads: dict[int, list[Stage]], path: Path) -> None:
    """A bar for each number of streams, made of its stages' means."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.4 + 0.8 * len(loads)), dpi=110, layout="constrained")
    axes: Any = figure.subplots()
    names = [f"{streams} stream{'s' * (streams != 1)}" for streams in loads]
    for number, name in enumerate(NAMES.values()):
        widths = [load[number].mean for load in loads.values()]
        lefts = [sum(stage.mean for stage in load[:number]) for load in loads.values()]
        bars = axes.barh(names, widths, left=lefts, color=COLOURS[number], label=name)
        widest = max(sum(stage.mean for stage in load) for load in loads.values())
        labels = [f"{width:.0f}" if width > widest / 25 else "" for width in widths]
        axes.bar_label(bars, labels, label_type="center", color="white")
    axes.invert_yaxis()
    axes.set(xlabel="from the last bytes of a chunk to its result at the socket: ms, mean")
    figure.legend(loc="outside upper center", ncols=len(NAMES), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png")


def _summed(name: str, values_ms: Sequence[float]) -> Stage:
    ordered = sorted(values_ms)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return Stage(name, statistics.fmean(ordered), statistics.median(ordered), p99)


if __name__ == "__main__":
    sys.exit(main())
