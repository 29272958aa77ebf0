"""The dashboard asks for metrics that exist, and every part of it has its place."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from bench import metrics_page
from tests.conformance.server_process import ROOT
from tests.docs.test_operating_page import check_metrics

DASHBOARD: dict[str, Any] = json.loads(
    (ROOT / "deploy" / "grafana" / "realtime-engine.json").read_text(encoding="utf-8")
)
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
ASKING = [panel for panel in PANELS if panel["type"] != "row"]
COLUMNS = 24


def expressions() -> list[str]:
    return [target["expr"] for panel in ASKING for target in panel["targets"]]


@pytest.mark.parametrize("expression", expressions())
def test_a_query_names_metrics_and_labels_that_exist(expression: str) -> None:
    check_metrics(expression)
    labels = {name: labels for name, _, labels, _ in metrics_page.metrics()}
    known = {"le", "instance", "job", *", ".join(labels.values()).split(", ")}
    used = re.findall(r"(?:by|on|group_left) \(([^)]*)\)", expression)
    assert {name for names in used for name in names.split(", ")} <= known
    for opened, closed in ("()", "{}", "[]"):
        assert expression.count(opened) == expression.count(closed)


@pytest.mark.parametrize("expression", expressions())
def test_a_query_asks_in_the_way_of_its_type(expression: str) -> None:
    """Counters and histograms by their growth, gauges as they are; of the chosen servers alone."""
    kinds = {name: kind for name, kind, _, _ in metrics_page.metrics()}
    for grows, name, chosen in re.findall(
        r"((?:rate|increase)\()?(realtime_engine_\w+)(\{[^}]*\})?", expression
    ):
        assert bool(grows) == (kinds.get(name) != "gauge"), name
        assert chosen == '{job=~"$job",instance=~"$instance"}'


def test_every_metric_is_on_the_dashboard() -> None:
    text = " ".join(expressions())
    for name, _, _, _ in metrics_page.metrics():
        assert name in text, name


def test_no_panel_lies_on_another() -> None:
    cells = [
        (x, y)
        for panel in PANELS
        for at in [panel["gridPos"]]
        for x, y in itertools.product(
            range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        )
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < COLUMNS
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_every_query_goes_to_the_chosen_data_source() -> None:
    assert DASHBOARD["templating"]["list"][0]["name"] == "datasource"
    for panel in ASKING:
        assert panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
