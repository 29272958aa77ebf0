"""The Grafana dashboard as a picture, with real figures in it, and every query of it tried.

    python -m bench.dashboard [--streams 4] [--seconds 90] [--output docs/images/dashboard.png]

starts the server and a Prometheus that scrapes it (Debian's package ``prometheus``), puts the load
tester on it, asks Prometheus for all that ``deploy/grafana/realtime-engine.json`` asks for, and
draws the answers where the file places its panels. It is no screenshot of Grafana. Exits 1 where
Prometheus refuses a query, 2 where there is no Prometheus. Panels without figures, such as those of
a GPU on a machine without one, are named.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.conformance.server_process import ROOT, ServerProcess, free_port

DASHBOARD: Final = ROOT / "deploy" / "grafana" / "realtime-engine.json"
SCRAPE_S: Final = 2
WINDOW: Final = "20s"
"""What Grafana would put for ``$__rate_interval``, which is four scrapes at least."""
PATIENCE_S: Final = 30
COLUMNS: Final = 24
ROW_INCHES: Final = 0.24
WIDTH_INCHES: Final = 16.0
DOTS_PER_INCH: Final = 100
COLOURS: Final = ("#5794f2", "#ff9830", "#73bf69", "#f2495c", "#b877d9", "#fade2a")
UNITS: Final = {"s": (1.0, " s"), "percentunit": (100.0, " %"), "bytes": (2**-30, " GiB")}
CONFIG: Final = """
global: {{scrape_interval: {every}s, scrape_timeout: {every}s}}
scrape_configs:
  - job_name: realtime-engine
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Series(NamedTuple):
    """One line of a panel: its name, seconds since the begin, and values."""

    name: str
    at_s: list[float]
    values: list[float]


class QueryError(Exception):
    """Prometheus refuses a query; the message says which and why."""


def main() -> int:
    """Load, queries, picture; the exit status."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--streams", type=int, default=4)
    options.add_argument("--seconds", type=int, default=90)
    options.add_argument("--output", type=Path, default=ROOT / "docs" / "images" / "dashboard.png")
    chosen = options.parse_args()
    if shutil.which("prometheus") is None:
        print("prometheus is not installed: apt-get install prometheus", file=sys.stderr)
        return 2
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    with ServerProcess("--slots", str(chosen.streams)) as server, scraped(server.port) as address:
        begun_s = time.time()
        load(server.port, chosen.streams, chosen.seconds)
        try:
            found = {
                panel["title"]: answers(address, panel, begun_s, time.time())
                for panel in panels
                if panel["type"] != "row"
            }
        except QueryError as error:
            print(error, file=sys.stderr)
            return 1
    empty = [title for title, series in found.items() if not any(one.values for one in series)]
    print(f"{len(found)} panels, {sum(map(len, found.values()))} series")
    print(f"without figures here: {', '.join(empty) or 'none'}")
    draw(panels, found, chosen.output)
    return 0


def load(port: int, streams: int, seconds: int) -> None:
    """The load tester, whose verdict is of no interest here."""
    command = [sys.executable, "-m", "tools.loadtest", "--url", f"ws://127.0.0.1:{port}"]
    command += ["--streams", str(streams), "--duration", str(seconds)]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False, timeout=seconds + 120)


@contextmanager
def scraped(port: int) -> Iterator[str]:
    """A Prometheus over the server on ``port``; gives its address."""
    with tempfile.TemporaryDirectory(prefix="dashboard-") as folder:
        config = Path(folder, "prometheus.yml")
        config.write_text(CONFIG.format(every=SCRAPE_S, port=port), encoding="utf-8")
        own = free_port()
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{own}",
                "--log.level=error",
            ]
        )
        try:
            yield f"http://127.0.0.1:{own}"
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def answers(address: str, panel: dict[str, Any], begun_s: float, ended_s: float) -> list[Series]:
    """What Prometheus says to all queries of a panel.

    Raises QueryError.
    """
    found = []
    for target in panel["targets"]:
        query = filled(target["expr"])
        asked = {"query": query, "start": begun_s, "end": ended_s, "step": SCRAPE_S}
        url = f"{address}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as reply:
                results = json.load(reply)["data"]["result"]
        except urllib.error.HTTPError as error:
            reason = json.load(error).get("error", error)
            raise QueryError(f"{panel['title']}: {query}: {reason}") from error
        found += [series(target.get("legendFormat", ""), one, begun_s) for one in results]
    return found


def filled(expression: str) -> str:
    """A query with the dashboard's variables as for all servers."""
    for variable, value in (("$__rate_interval", WINDOW), ("$job", ".*"), ("$instance", ".*")):
        expression = expression.replace(variable, value)
    return expression


def series(legend: str, result: dict[str, Any], begun_s: float) -> Series:
    """One result of a range query, without what is no number (a rate of nothing)."""
    labels: dict[str, str] = result["metric"]
    name = re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)
    points = [(at - begun_s, float(value)) for at, value in result["values"] if value != "NaN"]
    return Series(name, [at for at, _ in points], [value for _, value in points])


def draw(panels: list[dict[str, Any]], found: dict[str, list[Series]], output: Path) -> None:
    """All panels on one picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    with plt.style.context("dark_background"):
        figure = plt.figure(figsize=(WIDTH_INCHES, rows * ROW_INCHES), dpi=DOTS_PER_INCH)
        for panel in panels:
            left, bottom, width, height = place(panel["gridPos"], rows)
            if panel["type"] == "row":
                figure.text(0.01, bottom + height / 3, panel["title"], fontsize=12, weight="bold")
                continue
            margins = (left + 0.035, bottom + 0.25 * height, width - 0.045, 0.55 * height)
            draw_panel(figure.add_axes(margins), panel, found[panel["title"]])
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, facecolor="#111217", pil_kwargs={"optimize": True})


def place(grid: dict[str, int], rows: int) -> tuple[float, float, float, float]:
    """A panel's left, bottom, width and height as shares of the picture."""
    top = grid["y"] + grid["h"]
    return grid["x"] / COLUMNS, 1 - top / rows, grid["w"] / COLUMNS, grid["h"] / rows


def draw_panel(axes: Any, panel: dict[str, Any], lines: list[Series]) -> None:
    """One panel: lines over time, or its last values as numbers."""
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
    factor, sign = UNITS.get(unit, (1.0, ""))
    axes.set_facecolor("#181b1f")
    axes.set_title(panel["title"], fontsize=9, loc="left", color="#ccccdc")
    axes.tick_params(labelsize=7, length=0, colors="#9fa7b3")
    for spine in axes.spines.values():
        spine.set_visible(False)
    drawn = [line for line in lines if line.values]
    if not drawn:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.4, "no data", ha="center", color="#9fa7b3", transform=axes.transAxes)
    elif panel["type"] == "stat":
        axes.set(xticks=[], yticks=[])
        shown = " / ".join(f"{line.values[-1] * factor:.3g}{sign}" for line in drawn)
        axes.text(
            0.5, 0.35, shown, ha="center", fontsize=20, color=COLOURS[2], transform=axes.transAxes
        )
    elif panel["type"] == "heatmap":
        draw_heatmap(axes, drawn)
    else:
        for number, line in enumerate(drawn):
            values = [value * factor for value in line.values]
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(line.at_s, values, color=colour, linewidth=1.2, label=line.name)
        axes.set_ylim(bottom=0)
        axes.grid(color="#2c3235", linewidth=0.5)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}{sign}")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
        if any(line.name for line in drawn):
            axes.legend(
                fontsize=7, ncols=4, loc="upper left", bbox_to_anchor=(-0.02, -0.14), frameon=False
            )


def draw_heatmap(axes: Any, buckets: list[Series]) -> None:
    """Cumulative buckets of a histogram over time, as counts of each bucket."""
    bounds = sorted(buckets, key=lambda bucket: float(bucket.name.replace("+Inf", "inf")))
    times = sorted({at for bucket in bounds for at in bucket.at_s})
    below = dict.fromkeys(times, 0.0)
    counts = []
    for bucket in bounds:
        here = dict(zip(bucket.at_s, bucket.values, strict=True))
        counts.append([max(0.0, here.get(at, below[at]) - below[at]) for at in times])
        below = {at: here.get(at, below[at]) for at in times}
    axes.pcolormesh(times, range(len(bounds)), counts, cmap="magma", shading="nearest")
    axes.set_yticks(range(0, len(bounds), 3), [bounds[n].name for n in range(0, len(bounds), 3)])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")


if __name__ == "__main__":
    sys.exit(main())
