"""The picture of a soak: what each process held over time. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.soak.growth import HELD, Sample


def draw(samples: Sequence[Sample], title: str, path: Path) -> None:
    """Memory as it changed since the first sample after a minute; threads, descriptors as such."""
    figure = Figure(figsize=(10, 9), dpi=100, layout="constrained")
    figure.suptitle(title)
    minutes = [sample.at_s / 60 for sample in samples]
    processes = sorted(set.union(*(set(sample.holdings) for sample in samples)))
    for axes, (held, (value, _)) in zip(
        figure.subplots(3, 1, sharex=True), HELD.items(), strict=True
    ):
        scale = 1024 if held == "private KiB" else 1
        for process in processes:
            values = [
                value(sample.holdings[process]) / scale
                if process in sample.holdings
                else float("nan")
                for sample in samples
            ]
            axes.plot(minutes, values, label=process, linewidth=1)
        axes.set_ylabel("private MiB" if held == "private KiB" else held)
        axes.grid(alpha=0.3)
        if held == "private KiB":
            axes.set_yscale("log")
    axes.set_xlabel("minutes")
    figure.axes[0].legend(ncols=3, fontsize="small")
    figure.savefig(path, format="png")
