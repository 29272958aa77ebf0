"""The picture of a run: how latencies are distributed, and how they went over time.

For a search of the largest number of streams: percentiles over the number of streams.

The only module that needs matplotlib; it is imported only where a picture is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from tools.loadtest.capacity import Capacity
from tools.loadtest.report import Run
from tools.loadtest.statistics import summarise
from tools.loadtest.tally import Metric, Tally

# Colours of Okabe and Ito (2008), told apart with any colour vision.
_COLOURS: Final = {
    Metric.CONNECT_READY: "#999999",
    Metric.DONE_FINAL: "#D55E00",
    Metric.LAG: "#0072B2",
    Metric.PARTIAL_GAP: "#009E73",
    Metric.TAIL_GAP: "#CC79A7",
    Metric.SEND_LATENESS: "#E69F00",
}
_PERCENTILE_COLOURS: Final = {"p50": "#0072B2", "p95": "#E69F00", "p99": "#D55E00"}
_OVER_TIME: Final = (Metric.DONE_FINAL, Metric.LAG, Metric.PARTIAL_GAP)
_BOUND_STYLE: Final = {"linestyle": ":", "linewidth": 1.5}
_LEAST_MS: Final = 0.1
"""The logarithmic axes begin here; smaller values are drawn at it."""


def draw(run: Run, path: Path) -> None:
    """Writes the picture to `path`. Raises OSError where that is impossible."""
    figure = Figure(figsize=(12, 9), dpi=110, layout="constrained")
    distributions, timeline = figure.subplots(2, 1)
    verdict = "interrupted" if run.interrupted else "pass" if run.holds else "FAIL"
    figure.suptitle(f"{run.options.streams} streams to {run.options.request_url}: {verdict}")
    _draw_distributions(distributions, run)
    _draw_timeline(timeline, run)
    figure.savefig(path, format="png")


def draw_capacity(found: Capacity, path: Path) -> None:
    """Writes the picture of a search to `path`. Raises OSError where that is impossible."""
    figure = Figure(figsize=(12, 9), dpi=110, layout="constrained")
    bounds = found.runs[0].options.bounds
    figure.suptitle(f"{found.runs[0].options.request_url}: {found.held} streams hold every bound")
    limits = {Metric.DONE_FINAL: bounds.done_final_ms, Metric.LAG: bounds.lag_ms}
    for axes, (metric, limit_ms) in zip(figure.subplots(2, 1), limits.items(), strict=True):
        _draw_percentiles(axes, found, metric, limit_ms)
    figure.savefig(path, format="png")


def _draw_percentiles(axes: Any, found: Capacity, metric: Metric, limit_ms: float) -> None:
    """A line for each percentile; trials that missed any bound are hollow."""
    runs = sorted(found.runs, key=lambda run: run.options.streams)
    measured = [(run, summarise(run.tally.measured(metric).values_ms)) for run in runs]
    points = [(run, summary) for run, summary in measured if summary is not None]
    streams = [run.options.streams for run, _ in points]
    for percentile, colour in _PERCENTILE_COLOURS.items():
        values = [max(getattr(summary, percentile), _LEAST_MS) for _, summary in points]
        axes.plot(streams, values, color=colour, label=percentile, linewidth=1)
        for (run, _), count, value in zip(points, streams, values, strict=True):
            face = colour if run.holds else "white"
            axes.plot([count], [value], marker="o", color=colour, markerfacecolor=face)
    axes.axhline(limit_ms, color="black", label="bound, p99", **_BOUND_STYLE)
    axes.set(
        title=f"{metric.label} (hollow: the trial missed a bound)",
        xlabel="streams",
        ylabel="latency (ms)",
        yscale="log",
    )
    axes.yaxis.set_major_formatter("{x:g}")
    _frame(axes)


def _draw_distributions(axes: Any, run: Run) -> None:
    """Empirical distribution functions: the share of values up to each latency."""
    for metric in Metric:
        ordered = np.sort(_visible(run.tally, metric))
        if ordered.size:
            share = np.arange(1, ordered.size + 1) / ordered.size * 100
            axes.step(
                np.concatenate((ordered[:1], ordered)),
                np.concatenate(([0.0], share)),
                where="post",
                color=_COLOURS[metric],
                label=f"{metric.label} ({ordered.size})",
            )
    for metric, what, limit_ms in _limits(run):
        axes.axvline(limit_ms, color=_COLOURS[metric], label=what, **_BOUND_STYLE)
    axes.axhline(99, color="0.6", linewidth=0.8)
    axes.text(0.995, 98, "p99", transform=axes.get_yaxis_transform(), ha="right", va="top")
    axes.set(
        title="Distribution of latencies",
        xlabel="latency (ms)",
        ylabel="values at most this long (%)",
        xscale="log",
        ylim=(0, 101),
    )
    axes.xaxis.set_major_formatter("{x:g}")
    _frame(axes)


def _draw_timeline(axes: Any, run: Run) -> None:
    started_s = run.tally.started_s
    for metric in _OVER_TIME:
        at_s = np.array(run.tally.measured(metric).at_s) - started_s
        axes.plot(
            at_s,
            _visible(run.tally, metric),
            linestyle="none",
            marker="o",
            markersize=4,
            alpha=0.6,
            color=_COLOURS[metric],
            label=metric.label,
        )
    for metric, what, limit_ms in _limits(run):
        axes.axhline(limit_ms, color=_COLOURS[metric], label=what, **_BOUND_STYLE)
    lost_s = [turn.schedule.done_due_s - started_s for turn in run.tally.turns if turn.lost]
    for number, at in enumerate(lost_s):
        axes.axvline(at, color="black", linewidth=1, label=None if number else "lost final")
    axes.set(
        title="Latencies over the run",
        xlabel="arrival, since the start of the run (s)",
        ylabel="latency (ms)",
        yscale="log",
        xlim=(0, max(1.0, run.tally.ended_s - started_s)),
    )
    axes.yaxis.set_major_formatter("{x:g}")
    _frame(axes)


def _frame(axes: Any) -> None:
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False)


def _visible(tally: Tally, metric: Metric) -> Any:
    return np.maximum(np.array(tally.measured(metric).values_ms), _LEAST_MS)


def _limits(run: Run) -> list[tuple[Metric, str, float]]:
    bounds = run.options.bounds
    return [
        (Metric.DONE_FINAL, "bound: done to final, p99", bounds.done_final_ms),
        (Metric.LAG, "bound: partial lag, p99", bounds.lag_ms),
        (Metric.PARTIAL_GAP, "bound: any gap", bounds.partial_gap_ms),
    ]
