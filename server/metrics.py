"""The figures in Prometheus's text format: what ``/metrics`` answers.

Nothing is counted here: a collector turns a `server.figures.Snapshot` into metric families, and
prometheus-client writes them down. Every name begins with `PREFIX`. `described` lists them all, for
the table of docs/OPERATING.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from server.figures import Snapshot
from server.gpus import GpuUsage
from shm.figures import FIGURES, Counter

PREFIX: Final = "realtime_engine_"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Look = Callable[[], tuple[Snapshot, list[GpuUsage]]]


class Metrics:
    """Renders what ``look`` sees at each call."""

    def __init__(self, look: Look) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Engine(look))

    def text(self) -> bytes:
        """All metrics, now."""
        return generate_latest(self._registry)


class _Engine(Collector):
    """Hands the figures to prometheus-client."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        snapshot, gpus = self._look()
        yield from _state(snapshot)
        yield from _counted(snapshot)
        yield from _gpus(gpus)


def _state(snapshot: Snapshot) -> Iterator[Metric]:
    slots = snapshot.slots
    yield _gauge("info", "The version of this server", 1, version=version("realtime-engine"))
    yield _gauge("uptime_seconds", "Age of the engine", snapshot.uptime_s)
    yield _gauge(
        "ready", "1 where a stream could be served, as /readyz says", snapshot.health.ready
    )
    yield _gauge("slots", "Streams that fit at the same time", slots.total)
    yield _gauge("streams", "Streams now", slots.held)
    yield _gauge(
        "audio_waiting_seconds",
        "Audio that the model has not computed yet, of the stream with the most of it",
        slots.audio_waiting_s,
    )
    yield _gauge(
        "emissions_waiting",
        "Records that the beam search has not read yet, of the stream with the most of them",
        slots.emissions_waiting,
    )
    yield _gauge(
        "results_waiting",
        "Results that the frontend has not taken yet, of the stream with the most of them",
        slots.results_waiting,
    )
    yield _gauge(
        "second_pass_queue", "Utterances that wait for the second pass", slots.questions_open
    )
    yield from _link(snapshot)
    yield from _processes(snapshot)


def _link(snapshot: Snapshot) -> Iterator[Metric]:
    """Without a sample where the model is on this machine."""
    for name, help_text, value in (
        ("model_servers", "Model servers that this server is connected to", "servers"),
        ("model_server_streams", "Streams that they have room for, ours included", "capacity"),
        (
            "model_server_round_trip_seconds",
            "From a ping to its answer, of the model server that answered last",
            "round_trip_s",
        ),
    ):
        gauge = GaugeMetricFamily(PREFIX + name, help_text)
        if snapshot.link is not None:
            gauge.add_metric((), getattr(snapshot.link, value))
        yield gauge


def _processes(snapshot: Snapshot) -> Iterator[Metric]:
    labels = ("kind", "index")
    age = GaugeMetricFamily(
        f"{PREFIX}process_heartbeat_age_seconds",
        "Time since a process last went round its loop",
        labels=labels,
    )
    for process in snapshot.processes:
        age.add_metric((_kind(process.kind), str(process.index)), process.heartbeat_age_ms / 1000)
    yield age
    restarts = CounterMetricFamily(
        f"{PREFIX}process_restarts", "Processes that were replaced", labels=("kind",)
    )
    for kind, count in snapshot.restarts.items():
        restarts.add_metric((_kind(kind),), count)
    yield restarts


def _kind(kind: str) -> str:
    """As a label's value, without a space to quote."""
    return kind.replace(" ", "_")


def _counted(snapshot: Snapshot) -> Iterator[Metric]:
    for declared in FIGURES.values():
        for figure in declared:
            if isinstance(figure, Counter):
                counter = CounterMetricFamily(
                    PREFIX + figure.name, figure.help, labels=(figure.label,) * bool(figure.label)
                )
                for value, count in snapshot.counter(figure).items():
                    counter.add_metric((value,) * bool(figure.label), count)
                yield counter
            else:
                histogram = HistogramMetricFamily(PREFIX + figure.name, figure.help, labels=())
                found = snapshot.histogram(figure)
                histogram.add_metric((), list(found.cumulative()), found.sum)
                yield histogram


def _gpus(gpus: list[GpuUsage]) -> Iterator[Metric]:
    used = GaugeMetricFamily(
        f"{PREFIX}gpu_memory_used_bytes", "Memory in use on a GPU (NVML)", labels=("gpu",)
    )
    total = GaugeMetricFamily(
        f"{PREFIX}gpu_memory_total_bytes", "Memory of a GPU (NVML)", labels=("gpu",)
    )
    busy = GaugeMetricFamily(
        f"{PREFIX}gpu_utilisation_ratio",
        "Share of the last moments in which a GPU was at work (NVML)",
        labels=("gpu",),
    )
    for gpu in gpus:
        used.add_metric((str(gpu.index),), gpu.memory_used_bytes)
        total.add_metric((str(gpu.index),), gpu.memory_total_bytes)
        busy.add_metric((str(gpu.index),), gpu.utilisation)
    yield from (used, total, busy)


def _gauge(name: str, help_text: str, value: float, **labels: str) -> Metric:
    gauge = GaugeMetricFamily(PREFIX + name, help_text, labels=tuple(labels))
    gauge.add_metric(tuple(labels.values()), float(value))
    return gauge


def described(look: Look) -> list[tuple[str, str, str, str]]:
    """Every metric: its name as it is scraped, its type, its labels, and what it tells."""
    rows = []
    for metric in _Engine(look).collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        labels = ", ".join(getattr(metric, "_labelnames", ()))
        rows.append((name, metric.type, labels, metric.documentation))
    return rows
