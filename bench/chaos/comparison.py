"""Finals and latencies of a disturbed run beside those of an undisturbed one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.chaos.rounds import ChaosError, Heard, Round
from tools.loadtest.statistics import percentile


@dataclass(slots=True)
class Comparison:
    """What the finals under fire came to, beside the undisturbed ones."""

    rounds: int = 0
    finals: int = 0
    words: int = 0
    differences: list[str] = field(default_factory=list)
    later_ms: list[float] = field(default_factory=list)

    def add(self, said: Round, expected: Heard, heard: Heard) -> None:
        self.rounds += 1
        self.finals += len(expected.finals)
        self.words += sum(len(json.loads(final)["words"]) for final in expected.finals)
        if heard.finals != expected.finals:
            self.differences.append(f"{said.name}: {heard.finals} instead of {expected.finals}")
            return
        pairs = zip(heard.came_s, expected.came_s, strict=True)
        self.later_ms += (1000 * (came - expected_s) for came, expected_s in pairs)

    def merge(
        self,
        rounds: Sequence[Round],
        expected: Sequence[Heard],
        heard: Sequence[Heard | BaseException],
    ) -> list[str]:
        """Adds a run that is over, and returns its differences. Raises what is no `ChaosError`."""
        already = len(self.differences)
        for said, quiet, loud in zip(rounds, expected, heard, strict=True):
            if isinstance(loud, ChaosError):
                self.rounds += 1
                self.differences.append(str(loud))
            elif isinstance(loud, BaseException):
                raise loud
            else:
                self.add(said, quiet, loud)
        return self.differences[already:]

    @property
    def line(self) -> str:
        return (
            f"{self.rounds} connections, {self.finals} finals, {self.words} words: "
            f"{len(self.differences)} connections with another final than undisturbed"
        )


def latencies(heard: Iterable[Heard | BaseException]) -> dict[str, dict[str, float]]:
    """Quantiles in ms of what the streams waited for."""
    streams = [stream for stream in heard if isinstance(stream, Heard)]
    return {
        "done to final": quantiles([1000 * s for h in streams for s in h.done_to_final_s]),
        "partial lag": quantiles([1000 * s for h in streams for s in h.lags_s]),
    }


HEADING = f"{'':30}{'':14}{'count':>7}{'p50':>9}{'p99':>9}{'max':>9}{'p99 ratio':>11}"


def beside(
    name: str, found: dict[str, dict[str, float]], undisturbed: dict[str, dict[str, float]]
) -> list[str]:
    """A line for each latency that was measured, under `HEADING`."""
    lines = []
    for metric, row in found.items():
        if row["count"]:
            values = "".join(f"{row[key]:6.0f} ms" for key in ("p50", "p99", "max"))
            ratio = ratio_of(row, undisturbed[metric])
            shown = "" if ratio is None else f"{ratio:11.2f}"
            lines.append(f"{name:30}{metric:14}{row['count']:7.0f}{values}{shown}")
    return lines


def ratio_of(row: dict[str, float], undisturbed: dict[str, float]) -> float | None:
    """Of the 99th percentiles; None without both."""
    if not row.get("p99") or not undisturbed.get("p99"):
        return None
    return row["p99"] / undisturbed["p99"]


def quantiles(values_ms: Sequence[float]) -> dict[str, Any]:
    """Count, median, 99th percentile and the largest; the count alone of none."""
    if not values_ms:
        return {"count": 0}
    ordered = sorted(values_ms)
    return {
        "count": len(ordered),
        "p50": percentile(ordered, 50),
        "p99": percentile(ordered, 99),
        "max": ordered[-1],
    }
