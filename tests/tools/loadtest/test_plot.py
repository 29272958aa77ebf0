from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.loadtest.test_report import run_of, tally
from tools.loadtest.capacity import Capacity
from tools.loadtest.tally import Metric, Tally

pytest.importorskip("matplotlib")
__all__ = ["tally"]  # a fixture


def test_a_run_is_drawn(tally: Tally, tmp_path: Path) -> None:
    from tools.loadtest.plot import draw

    tally.turns[0].lost = True
    for metric in (Metric.LAG, Metric.PARTIAL_GAP, Metric.CONNECT_READY):
        tally.series[metric].add(101.0, -0.1)  # below the logarithmic axis
        tally.series[metric].add(101.1, 0.1)
    draw(run_of(tally), tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("error")
def test_a_run_without_measurements_is_drawn(tmp_path: Path) -> None:
    from tools.loadtest.plot import draw

    draw(run_of(Tally()), tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("error")
def test_a_search_is_drawn(tally: Tally, tmp_path: Path) -> None:
    from tools.loadtest.plot import draw_capacity

    runs = [run_of(tally), run_of(tally, "--max-done-final-ms", "1"), run_of(Tally())]
    draw_capacity(Capacity(runs, 1, 2, interrupted=False), tmp_path / "trials.png")
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")
