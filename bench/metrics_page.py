"""Writes the table of metrics in docs/OPERATING.md from `server.metrics`.

``python -m bench.metrics_page`` prints the table, ``--write`` replaces the one in docs/. A test
compares them, so a metric that is added, renamed or reworded without its line fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from server.figures import Figures, Snapshot
from server.gpus import GpuUsage
from server.metrics import described
from shm.layout import Geometry
from shm.plane import Plane

PAGE: Final = Path(__file__).parents[1] / "docs" / "OPERATING.md"
BEGIN: Final = "<!-- metrics: made by `python -m bench.metrics_page --write`; do not edit -->\n"
END: Final = "<!-- end of the metrics -->\n"
SMALLEST: Final = Geometry(1, 1, 1, 1, 16_000, 1, 640, 1, second_passes=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table or writes it into the page; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.metrics_page", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"replace that of {PAGE.name}")
    if parser.parse_args(arguments).write:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table(), end="")
    return 0


def replaced(page: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


def table() -> str:
    """Every metric, in Markdown."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for name, kind, labels, meaning in metrics():
        lines.append(f"| `{name}` | {kind} | {labels} | {meaning} |")
    return "\n".join(lines) + "\n"


def metrics() -> list[tuple[str, str, str, str]]:
    """Name, type, labels and meaning of each, as an engine with everything has them."""
    plane = Plane.create(SMALLEST)
    try:

        def look() -> tuple[Snapshot, list[GpuUsage]]:
            return Figures(plane).snapshot(time.monotonic_ns()), [GpuUsage(0, 0, 1, 0.0)]

        return described(look)
    finally:
        plane.close()


if __name__ == "__main__":
    sys.exit(main())
