"""The parts of the dashboard's picture that need no Prometheus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.dashboard import DASHBOARD, Series, draw, filled, place, series

PANELS = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]


def test_no_variable_is_left_in_a_query() -> None:
    queries = [target["expr"] for panel in PANELS for target in panel.get("targets", ())]
    assert queries
    assert not [query for query in queries if "$" in filled(query)]


def test_a_series_is_named_by_its_labels_and_begins_with_the_run() -> None:
    result = {
        "metric": {"instance": "a:1", "gpu": "0"},
        "values": [[100.0, "1.5"], [102.0, "NaN"], [104.0, "2"]],
    }
    assert series("{{instance}} GPU {{gpu}}{{no}}", result, 100.0) == Series(
        "a:1 GPU 0", [0.0, 4.0], [1.5, 2.0]
    )


def test_panels_fill_the_picture_from_the_top() -> None:
    assert place({"x": 0, "y": 0, "w": 24, "h": 10}, 40) == (0.0, 0.75, 1.0, 0.25)
    assert place({"x": 12, "y": 30, "w": 6, "h": 10}, 40) == (0.5, 0.0, 0.25, 0.25)


def test_every_kind_of_panel_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = {
        panel["title"]: [Series(name, [0.0, 2.0], [1.0, 2.0]) for name in ("0.1", "+Inf")]
        for panel in PANELS
        if panel["type"] != "row"
    }
    found[next(iter(found))] = []
    draw(PANELS, found, tmp_path / "out" / "dashboard.png")
    assert (tmp_path / "out" / "dashboard.png").read_bytes().startswith(b"\x89PNG")
