"""The pages for operators, over a plane without processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from server.operator_pages import CACHE_S, OperatorPages
from shm import figures
from shm.figures import Block
from shm.plane import Plane
from shm.process_line import ProcessLine
from tests.shm.planes import SMALL


class Clock:
    """The monotonic clock as a test has it."""

    now_ns = 10**12

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def plane() -> Iterator[Plane]:
    plane = Plane.create(SMALL)
    yield plane
    plane.close()


def start_all(plane: Plane) -> None:
    offsets = plane.layout
    for offset in (
        offsets.frontend_process(0), offsets.frontend_process(1), offsets.worker_process(0),
        offsets.decoder_process(0), offsets.decoder_process(1), offsets.second_pass_process(0),
    ):  # fmt: skip
        line = ProcessLine(plane, offset)
        line.announce(1)
        line.ready()


def body(pages: OperatorPages, path: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(pages.all()[path]().body)
    return content


def test_readiness_follows_the_processes_at_once(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("time.monotonic_ns", clock)
    pages = OperatorPages(plane, clock).all()
    assert pages["/healthz"]().status == 200
    assert pages["/readyz"]().status == 503
    assert json.loads(pages["/readyz"]().body)["not_ready"] == ["the engine has not been started"]
    start_all(plane)
    assert pages["/readyz"]().status == 200
    clock.now_ns += 20 * 10**9
    assert pages["/readyz"]().status == 503


@pytest.mark.parametrize("path", ["/metrics", "/status.json"])
def test_what_is_dear_is_not_made_more_often_than_needed(plane: Plane, path: str) -> None:
    clock = Clock()
    page = OperatorPages(plane, clock).all()[path]
    before = page()
    Block(plane, "frontend", plane.layout.frontend_process(0)).counter(figures.ADMITTED).add()
    assert page() is before
    clock.now_ns += int(CACHE_S * 1e9) + 1
    assert page().body != before.body
    assert dict(page().headers)["Cache-Control"] == "no-store"


def test_metrics_are_prometheus_text(plane: Plane) -> None:
    answer = OperatorPages(plane).all()["/metrics"]()
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    assert b"\nrealtime_engine_slots 3.0\n" in answer.body


def test_the_status_names_the_slowest_stage(plane: Plane) -> None:
    block = Block(plane, "worker", plane.layout.worker_process(0))
    block.histogram(figures.STAGED_TO_STEPPED).add(50_000)
    found = body(OperatorPages(plane), "/status.json")
    assert found["slowest_stage"] == {"name": "staged_to_stepped", "mean_s": 0.05}


def test_the_status_holds_what_its_page_shows(plane: Plane) -> None:
    start_all(plane)
    block = Block(plane, "frontend", plane.layout.frontend_process(1))
    block.counter(figures.REFUSED, "full").add(2)
    block.counter(figures.REFUSED, "path").add(1)
    found = body(OperatorPages(plane), "/status.json")
    assert found["totals"]["refused_full"] == 2
    assert found["totals"]["refused_request"] == 1
    assert found["load"]["real_time_factor"] is None
    nothing = {"count": 0, "p50_s": None, "p95_s": None, "p99_s": None}
    assert found["stages"]["staged_to_stepped"] == nothing
    assert found["slowest_stage"] is None
    assert [process["name"] for process in found["processes"]][:2] == ["frontend 0", "frontend 1"]
    assert {process["is_recent"] for process in found["processes"]} == {True}
    assert [p["device"] for p in found["processes"] if p["name"].startswith("worker")] == ["cpu"]
