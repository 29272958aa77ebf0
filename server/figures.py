"""The running figures of the engine, added up over its processes and put together for reports.

One `Figures` reads one plane. Counters and histograms are what the processes of each kind have
counted (`shm.figures`), the rest is the plane as it is at this moment (`shm.engine_view`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from server.health import Health, health
from shm import figures, layout
from shm.engine_view import EngineView, ProcessView, SlotsView
from shm.figures import FIGURES, Block, Counter, Distribution, Figure, Histogram
from shm.link_line import LinkLine, LinkView
from shm.plane import Plane


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at the engine. ``words`` are those of each figure, added up over its processes."""

    uptime_s: float
    health: Health
    processes: tuple[ProcessView, ...]
    words: Mapping[Figure, list[int]]
    link: LinkView | None = None

    @property
    def slots(self) -> SlotsView:
        return self.health.slots

    def counter(self, counter: Counter) -> dict[str, float]:
        """Its value, by label value; by the empty string where there is no label."""
        words = self.words[counter]
        return {
            value: word / counter.scale for value, word in zip(counter.values, words, strict=True)
        }

    def total(self, counter: Counter) -> float:
        return sum(self.counter(counter).values())

    def histogram(self, histogram: Histogram) -> Distribution:
        return Distribution.of(histogram, self.words[histogram])

    @property
    def restarts(self) -> dict[str, int]:
        """By kind of process."""
        kinds = dict.fromkeys(FIGURES, 0)
        for process in self.processes:
            kinds[process.kind] += process.restarts
        return kinds

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of the model per second of audio since the start; None before any audio."""
        audio_s = self.total(figures.AUDIO_STEPPED)
        return self.histogram(figures.STEP).sum / audio_s if audio_s else None

    @property
    def slowest_stage(self) -> Slowest | None:
        """Where a chunk of audio spends most of its time on its way; None before any."""
        means = [
            Slowest(figure, found.sum / found.count)
            for figure in figures.TRACED
            if (found := self.histogram(figure)).count
        ]
        return max(means, key=lambda stage: stage.mean_s, default=None)


@dataclass(frozen=True, slots=True)
class Slowest:
    """A stage, and how long it takes at the mean."""

    stage: Histogram
    mean_s: float


class Figures:
    """Reads one plane."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._view = EngineView(plane)
        self._link = LinkLine(plane)
        geometry, offsets = plane.geometry, plane.layout
        self._blocks = {
            kind: [Block(plane, kind, offset_of(index)) for index in range(count)]
            for kind, count, offset_of in (
                ("frontend", geometry.frontends, offsets.frontend_process),
                ("worker", geometry.workers, offsets.worker_process),
                ("decoder", geometry.decoders, offsets.decoder_process),
                ("second pass", geometry.second_passes, offsets.second_pass_process),
                ("link", 1, lambda _: offsets.link_process),
            )
        }

    def health(self, now_ns: int) -> Health:
        """Whether a stream could be served; ``now_ns`` is the monotonic clock's."""
        view, link = self._view, self._link.view()
        slots = view.slots()
        if link is not None:  # there are no more than model servers have room for
            slots = replace(slots, total=max(slots.held, min(slots.total, link.capacity)))
        return health(
            view.processes(now_ns),
            slots,
            link,
            shutting_down=view.shutting_down,
            failing=view.failing,
        )

    def snapshot(self, now_ns: int) -> Snapshot:
        """Everything; some hundreds of loads for each process."""
        started_ns = self._plane.header[layout.HEADER_STARTED_NS]
        return Snapshot(
            uptime_s=(now_ns - started_ns) / 1e9,
            health=self.health(now_ns),
            processes=tuple(self._view.processes(now_ns)),
            words={
                figure: _added([block.read(figure) for block in self._blocks[kind]], figure.words)
                for kind, declared in FIGURES.items()
                for figure in declared
            },
            link=self._link.view(),
        )


def _added(blocks: list[list[int]], count: int) -> list[int]:
    return [sum(words) for words in zip(*blocks, strict=True)] if blocks else [0] * count
