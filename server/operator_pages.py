"""The pages for operators: alive, ready, metrics, and the figures of the status page.

They read the plane and nothing else, so any frontend answers for the whole engine. The dear ones
are made at most once every `CACHE_S`, however often they are asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from server.figures import Figures, Snapshot
from server.gpus import GpuUsage, GpuWatch, load_nvml
from server.health import alive_answer, is_recent, ready_answer
from server.metrics import CONTENT_TYPE, Metrics
from server.site import Answer, Page, fresh_answer, json_answer
from shm import figures
from shm.figures import Distribution, Histogram
from shm.plane import Plane

CACHE_S: Final = 0.5

_TIMED: Final = (*figures.TRACED, figures.DONE_TO_FINAL, figures.SECOND_PASS)


class OperatorPages:
    """Answers from one plane. ``clock_ns`` is the monotonic clock."""

    def __init__(
        self,
        plane: Plane,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        api_key_needed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._api_key_needed = api_key_needed
        self._figures = Figures(plane)
        self._clock_ns = clock_ns
        self._gpus = GpuWatch(load_nvml())
        self._metrics = Metrics(self._look)

    def public(self) -> dict[str, Page]:
        """What load balancers and the console need, by path."""
        return {
            "/healthz": alive_answer,
            "/readyz": lambda: ready_answer(
                self._figures.health(self._clock_ns()), api_key_needed=self._api_key_needed()
            ),
        }

    def all(self) -> dict[str, Page]:
        """The public ones, and the figures."""
        return self.public() | {
            "/metrics": self._seldom(lambda: fresh_answer(200, CONTENT_TYPE, self._metrics.text())),
            "/status.json": self._seldom(lambda: json_answer(200, status(self._look()[0]))),
        }

    def _look(self) -> tuple[Snapshot, list[GpuUsage]]:
        return self._figures.snapshot(self._clock_ns()), self._gpus.latest()

    def _seldom(self, make: Page) -> Page:
        """The page as it was made last, unless that is too long ago."""
        made: list[tuple[int, Answer]] = []

        def page() -> Answer:
            now_ns = self._clock_ns()
            if not made or now_ns - made[0][0] > CACHE_S * 1e9:
                made[:] = [(now_ns, make())]
            return made[0][1]

        return page


def status(snapshot: Snapshot) -> dict[str, object]:
    """What the status page shows; see ``console/status.js``."""
    slots = snapshot.slots
    refused = snapshot.counter(figures.REFUSED)
    batch = snapshot.histogram(figures.BATCH)
    return {
        "ready": snapshot.health.ready,
        "not_ready": list(snapshot.health.not_ready),
        "uptime_s": snapshot.uptime_s,
        "slots": {"total": slots.total, "free": slots.free},
        "totals": {
            "admitted": snapshot.total(figures.ADMITTED),
            "refused_full": refused["full"],
            "refused_request": sum(refused.values()) - refused["full"] - refused["no_model_server"],
            "finals": snapshot.total(figures.FINALS),
            "partials": snapshot.total(figures.PARTIALS),
            "audio_s": snapshot.total(figures.AUDIO_RECEIVED),
            "restarts": sum(snapshot.restarts.values()),
        },
        "load": {
            "real_time_factor": snapshot.real_time_factor,
            "batch": batch.sum / batch.count if batch.count else None,
            "longest_backlog_s": slots.audio_waiting_s,
            "second_pass_queue": slots.questions_open,
        },
        "stages": {_stage(figure): _quantiles(snapshot.histogram(figure)) for figure in _TIMED},
        "slowest_stage": _slowest(snapshot),
        "processes": [
            {
                "name": process.name,
                "state": process.state.name.lower(),
                "device": process.device if process.kind in {"worker", "second pass"} else None,
                "heartbeat_age_ms": process.heartbeat_age_ms,
                "is_recent": is_recent(process),
                "restarts": process.restarts,
            }
            for process in snapshot.processes
        ],
    }


def _stage(figure: Histogram) -> str:
    return figure.name.removesuffix("_seconds")


def _slowest(snapshot: Snapshot) -> dict[str, object] | None:
    found = snapshot.slowest_stage
    return None if found is None else {"name": _stage(found.stage), "mean_s": found.mean_s}


def _quantiles(found: Distribution) -> dict[str, float | int | None]:
    return {
        "count": found.count,
        "p50_s": found.quantile(0.5),
        "p95_s": found.quantile(0.95),
        "p99_s": found.quantile(0.99),
    }
