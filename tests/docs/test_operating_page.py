"""docs/OPERATING.md says what the code does."""

from __future__ import annotations

import json
import re

import pytest

from bench import metrics_page
from server.doorway import RETRY_AFTER_S
from server.health import RECENT_MS
from server.operator_pages import CACHE_S, OperatorPages
from server.site import console_pages
from shm.figures import LATENCY_S
from shm.plane import Plane
from shm.process_line import STALE_AFTER_MS
from tests.docs.pages import blocks, page

SUFFIXES = ("_bucket", "_sum", "_count")


def test_the_table_is_up_to_date() -> None:
    text = page("OPERATING.md")
    assert text == metrics_page.replaced(text), (
        "run python -m bench.metrics_page --write and commit docs/OPERATING.md"
    )
    assert text.count("| `realtime_engine_") == len(metrics_page.metrics())


def test_every_metric_of_the_page_exists() -> None:
    check_metrics(page("OPERATING.md"))


def check_metrics(text: str) -> None:
    """Each name is that of a metric, or of a histogram's part."""
    kinds = {name: kind for name, kind, _, _ in metrics_page.metrics()}
    named = set(re.findall(r"realtime_engine_\w+", text))
    assert named
    for name in named:
        base = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), "")
        assert name in kinds or kinds.get(base) == "histogram", name


def test_every_path_of_the_page_is_answered() -> None:
    named = set(re.findall(r"^\| `(/[\w.]*)` \|", page("OPERATING.md"), re.MULTILINE))
    plane = Plane.create(metrics_page.SMALLEST)
    try:
        answered = console_pages() | OperatorPages(plane).all()
    finally:
        plane.close()
    assert named == {path for path in answered if not path.startswith("/console/")}


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ("within the last 5 s", RECENT_MS == 5000),
        ("such a process after 10 s", STALE_AFTER_MS == 10_000),
        ("at most twice a second", CACHE_S == 0.5),
        ("double from 5 ms to 10 s, with 640 ms", (LATENCY_S[0], LATENCY_S[-1]) == (0.005, 10.24)),
        ("`Retry-After`", RETRY_AFTER_S > 0),
    ],
)
def test_what_the_page_says_holds(said: str, holds: bool) -> None:
    assert said in " ".join(page("OPERATING.md").split())
    assert holds


def test_the_log_line_is_one_of_ours() -> None:
    (block,) = blocks("OPERATING.md", "json")
    line = json.loads(block.text)
    assert {"time", "level", "process", "pid", "logger", "message", "session"} <= line.keys()
