"""Counters and histograms of every process, in the plane: no files, no locks, one writer for each.

A process owns a block of `layout.FIGURE_WORDS` words and adds to them; its successor goes on from
what it left, since the plane outlives both. Whoever reports adds up the blocks of all processes of
a kind. What a kind counts is declared once, here, in the order of its words.

To count costs one load and one store. Nothing that a client sent or said is ever kept, only how
much and how long. A histogram's words are its buckets (not cumulative, the last one without bound)
and its sum in millionths; readers take its count from the buckets, so that the two always agree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from shm.layout import FIGURE_WORDS
from shm.plane import Plane
from shm.words import Words

MICRO: Final = 1_000_000

LATENCY_S: Final = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24)
"""Doubling, from less than a message of audio to what no client would wait for."""
WINDOWS: Final = (1.0, 2.0, 4.0, 8.0, 12.0, 16.0)


@dataclass(frozen=True, slots=True)
class Counter:
    """One number that grows, or one for each of ``values`` of a ``label``. ``scale`` words make
    a unit."""

    name: str
    help: str
    label: str = ""
    values: tuple[str, ...] = ("",)
    scale: int = 1

    @property
    def words(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many were at most each of ``bounds``, which are in the figure's unit."""

    name: str
    help: str
    bounds: tuple[float, ...]

    @property
    def words(self) -> int:
        return len(self.bounds) + 2  # the last bucket, and the sum


Figure = Counter | Histogram

ADMITTED: Final = Counter("streams_admitted", "Streams that were given a slot")
REFUSED: Final = Counter(
    "streams_refused",
    "Streams that were refused: every slot in use, no model server connected, a bad parameter, an "
    "unknown path, a handshake that is no WebSocket's, no API key that is known, a session to "
    "come back to that is not there, too many streams of one address, as many as the machine "
    "holds, or an engine that cannot be kept running",
    "reason",
    (
        "full",
        "parameter",
        "path",
        "handshake",
        "no_model_server",
        "key",
        "session",
        "address",
        "overload",
        "failing",
    ),
)
RESUMED: Final = Counter(
    "streams_resumed", "Streams whose client came back after its connection broke"
)
GIVEN_UP: Final = Counter(
    "streams_given_up", "Streams whose client did not come back in time, or whose slot was needed"
)
FINALS: Final = Counter("finals_sent", "Finals sent to clients")
PARTIALS: Final = Counter("partials_sent", "Partials sent to clients")
AUDIO_RECEIVED: Final = Counter(
    "audio_received_seconds", "Audio that clients have sent", scale=MICRO
)
PUBLISHED_TO_SENT: Final = Histogram(
    "published_to_sent_seconds",
    "From a hypothesis in the outbox to its message handed to the socket",
    LATENCY_S,
)
DONE_TO_FINAL: Final = Histogram(
    "done_to_final_seconds", "From a done (or close) in its slot to its final", LATENCY_S
)

BATCH: Final = Histogram("batch_windows", "Windows in one step of the model", WINDOWS)
STEP: Final = Histogram("step_seconds", "Duration of one step of the model", LATENCY_S)
ARRIVED_TO_STEPPED: Final = Histogram(
    "arrived_to_stepped_seconds",
    "From the arrival of a full chunk's last audio to its emissions in the ring",
    LATENCY_S,
)
RECEIVED_TO_RINGED: Final = Histogram(
    "received_to_ringed_seconds",
    "From a full chunk's last bytes off the socket to its samples in the audio ring",
    LATENCY_S,
)
RINGED_TO_STAGED: Final = Histogram(
    "ringed_to_staged_seconds",
    "From a full chunk in the audio ring to the begin of its step: the wait for a turn",
    LATENCY_S,
)
STAGED_TO_STEPPED: Final = Histogram(
    "staged_to_stepped_seconds", "From the begin of a step to its emissions in the ring", LATENCY_S
)
AUDIO_STEPPED: Final = Counter(
    "audio_stepped_seconds", "Audio that the model has turned into emissions", scale=MICRO
)

STEPPED_TO_DECODED: Final = Histogram(
    "stepped_to_decoded_seconds", "From emissions in the ring to the end of their search", LATENCY_S
)
DECODED_TO_PUBLISHED: Final = Histogram(
    "decoded_to_published_seconds",
    "From the end of a search to its result in the outbox, where the second pass was asked",
    LATENCY_S,
)
DECODE: Final = Histogram(
    "decode_seconds", "Duration of the beam search over one record of emissions", LATENCY_S
)

SECOND_PASS: Final = Histogram(
    "second_pass_seconds", "Duration of one batch of the second pass", LATENCY_S
)
SECOND_PASS_QUESTIONS: Final = Counter(
    "second_pass_questions", "Questions it has answered, also those asked in vain"
)
SECOND_PASS_AUDIO: Final = Counter(
    "second_pass_audio_seconds", "Audio of these questions", scale=MICRO
)

REPLAYS: Final = Counter(
    "link_replays", "Streams that went on elsewhere after their model server was lost"
)

TRACED: Final = (
    RECEIVED_TO_RINGED, RINGED_TO_STAGED, STAGED_TO_STEPPED, STEPPED_TO_DECODED,
    DECODED_TO_PUBLISHED, PUBLISHED_TO_SENT,
)  # fmt: skip
"""The stages of a chunk's way through the engine, in their order: see `shm.trace`."""

FIGURES: Final[dict[str, tuple[Figure, ...]]] = {
    "frontend": (
        ADMITTED, REFUSED, RESUMED, GIVEN_UP, FINALS, PARTIALS, AUDIO_RECEIVED, PUBLISHED_TO_SENT,
        DONE_TO_FINAL,
    ),
    "worker": (
        BATCH, STEP, ARRIVED_TO_STEPPED, RECEIVED_TO_RINGED, RINGED_TO_STAGED, STAGED_TO_STEPPED,
        AUDIO_STEPPED,
    ),
    "decoder": (STEPPED_TO_DECODED, DECODE, DECODED_TO_PUBLISHED),
    "second pass": (SECOND_PASS, SECOND_PASS_QUESTIONS, SECOND_PASS_AUDIO),
    "link": (REPLAYS,),
}  # fmt: skip
"""By kind of process. Words are dealt out in this order."""

for _figures in FIGURES.values():
    assert sum(figure.words for figure in _figures) <= FIGURE_WORDS, "a block holds its figures"
    for _figure in _figures:
        if isinstance(_figure, Histogram):
            assert all(a < b for a, b in pairwise(_figure.bounds)), "buckets are in order"


class Block:
    """The words of one process's figures."""

    __slots__ = ("_offsets", "_words", "figures")

    def __init__(self, plane: Plane, kind: str, process: int) -> None:
        """``process`` is the offset of the process's line."""
        self.figures = FIGURES[kind]
        self._words: Words = plane.words(plane.layout.figures_of(process), FIGURE_WORDS)
        self._offsets: dict[Figure, int] = {}
        offset = 0
        for figure in self.figures:
            self._offsets[figure] = offset
            offset += figure.words

    def counter(self, counter: Counter, value: str = "") -> CounterWriter:
        """For the process that owns the block alone."""
        return CounterWriter(self._words, self._offsets[counter] + counter.values.index(value))

    def histogram(self, histogram: Histogram) -> HistogramWriter:
        """For the process that owns the block alone."""
        return HistogramWriter(self._words, self._offsets[histogram], histogram.bounds)

    def read(self, figure: Figure) -> list[int]:
        """The figure's words."""
        begin = self._offsets[figure]
        return [self._words[begin + index] for index in range(figure.words)]


class CounterWriter:
    """Adds to one word."""

    __slots__ = ("_at", "_words")

    def __init__(self, words: Words, at: int) -> None:
        self._words = words
        self._at = at

    def add(self, amount: int = 1) -> None:
        self._words[self._at] = self._words[self._at] + amount


class HistogramWriter:
    """Counts a value into its bucket."""

    __slots__ = ("_at", "_bounds", "_sum_at", "_words")

    def __init__(self, words: Words, at: int, bounds: Sequence[float]) -> None:
        self._words = words
        self._at = at
        self._bounds = [round(bound * MICRO) for bound in bounds]
        self._sum_at = at + len(bounds) + 1

    def add(self, micros: int) -> None:
        """A value in millionths of the figure's unit. A clock's hiccup below 0 counts as 0."""
        micros = max(0, micros)
        at = self._at + bisect_left(self._bounds, micros)
        self._words[at] = self._words[at] + 1
        self._words[self._sum_at] = self._words[self._sum_at] + micros


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram as read: counts by bucket, the last one without bound, and the sum."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @staticmethod
    def of(histogram: Histogram, words: Sequence[int]) -> Distribution:
        return Distribution(histogram.bounds, tuple(words[:-1]), words[-1] / MICRO)

    @property
    def count(self) -> int:
        return sum(self.counts)

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Prometheus's buckets: upper bound as text, and how many were at most it."""
        total = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            yield ("+Inf" if bound == float("inf") else repr(float(bound))), total

    def quantile(self, share: float) -> float | None:
        """The value below which ``share`` of all lie, linear within its bucket as Prometheus's
        ``histogram_quantile``; the last bound, where the bucket has none. None without values."""
        if self.count == 0:
            return None
        rank = share * self.count
        before, lower = 0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and before + count >= rank:
                return lower + (bound - lower) * (rank - before) / count
            before, lower = before + count, bound
        return self.bounds[-1]
