"""What is scraped: every declared name, with the values of the plane."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.figures import Figures, Snapshot
from server.gpus import GpuUsage
from server.metrics import PREFIX, Metrics, described
from shm import figures
from shm.figures import FIGURES, MICRO, Block
from shm.plane import Plane
from shm.process_line import ProcessLine
from tests.shm.planes import SMALL

Sample = tuple[str, tuple[tuple[str, str], ...]]


@pytest.fixture
def plane() -> Iterator[Plane]:
    plane = Plane.create(SMALL)
    yield plane
    plane.close()


def scraped(plane: Plane, *gpus: GpuUsage) -> dict[Sample, float]:
    def look() -> tuple[Snapshot, list[GpuUsage]]:
        return Figures(plane).snapshot(time.monotonic_ns()), list(gpus)

    text = Metrics(look).text().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.name.startswith(PREFIX)
        assert family.documentation
        for sample in family.samples:
            key = (sample.name.removeprefix(PREFIX), tuple(sorted(sample.labels.items())))
            assert key not in found, "each once"
            found[key] = sample.value
    return found


def test_every_figure_is_scraped(plane: Plane) -> None:
    names = {name for name, _ in scraped(plane)}
    for declared in FIGURES.values():
        for figure in declared:
            suffix = "_total" if isinstance(figure, figures.Counter) else "_bucket"
            assert figure.name + suffix in names


def test_values_are_those_of_the_plane(plane: Plane) -> None:
    block = Block(plane, "frontend", plane.layout.frontend_process(1))
    block.counter(figures.REFUSED, "full").add(7)
    block.counter(figures.AUDIO_RECEIVED).add(1_500_000)
    block.histogram(figures.DONE_TO_FINAL).add(MICRO // 4)
    block.histogram(figures.DONE_TO_FINAL).add(100 * MICRO)
    found = scraped(plane)
    assert found["streams_refused_total", (("reason", "full"),)] == 7
    assert found["audio_received_seconds_total", ()] == 1.5
    assert found["done_to_final_seconds_bucket", (("le", "0.16"),)] == 0
    assert found["done_to_final_seconds_bucket", (("le", "0.32"),)] == 1
    assert found["done_to_final_seconds_bucket", (("le", "+Inf"),)] == 2
    assert found["done_to_final_seconds_count", ()] == 2
    assert found["done_to_final_seconds_sum", ()] == 100.25
    assert found["slots", ()] == 3
    assert found["ready", ()] == 0


def test_processes_are_told_apart(plane: Plane) -> None:
    ProcessLine(plane, plane.layout.second_pass_process(0)).announce(4)
    found = scraped(plane)
    assert found["process_restarts_total", (("kind", "second_pass"),)] == 3
    ages = [labels for name, labels in found if name == "process_heartbeat_age_seconds"]
    assert ages == [(("index", "0"), ("kind", "second_pass"))]


def test_gpus_are_scraped_where_there_are_any(plane: Plane) -> None:
    assert not any(name.startswith("gpu_") for name, _ in scraped(plane))
    found = scraped(plane, GpuUsage(0, 1, 2, 0.5), GpuUsage(3, 4, 8, 1.0))
    assert found["gpu_memory_used_bytes", (("gpu", "3"),)] == 4
    assert found["gpu_memory_total_bytes", (("gpu", "0"),)] == 2
    assert found["gpu_utilisation_ratio", (("gpu", "0"),)] == 0.5


def test_all_that_is_scraped_is_described(plane: Plane) -> None:
    def look() -> tuple[Snapshot, list[GpuUsage]]:
        return Figures(plane).snapshot(time.monotonic_ns()), [GpuUsage(0, 1, 2, 0.5)]

    rows = {name for name, _, _, _ in described(look)}
    for name, _ in scraped(plane, GpuUsage(0, 1, 2, 0.5)):
        base = name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
        assert PREFIX + base in rows
