"""What the plane says of the engine as a whole: its processes, its slots, what waits where.

For whoever reports on a running engine: it only reads. Every line is looked up once, when the view
is made; a look costs a few loads for each process and slot. The words are read one after the other
while their writers go on, so figures of one look may be some microseconds apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from shm import layout
from shm.plane import Plane
from shm.process_line import ProcessLine, ProcessState
from shm.words import Words


@dataclass(frozen=True, slots=True)
class ProcessView:
    """One process at one moment. ``kind`` is frontend, worker, decoder, second pass or link."""

    kind: str
    index: int
    state: ProcessState
    generation: int
    heartbeat_age_ms: float
    device: str

    @property
    def name(self) -> str:
        return f"{self.kind} {self.index}"

    @property
    def restarts(self) -> int:
        return max(0, self.generation - 1)


@dataclass(frozen=True, slots=True)
class SlotsView:
    """All slots at one moment: how many are held, and the most that waits in any of the held.

    ``audio_waiting_s`` is audio that the worker has not computed, ``emissions_waiting`` records
    that the decoder has not read, ``results_waiting`` hypotheses that the frontend has not taken,
    ``questions_open`` the utterances that the second pass has not answered, over all slots.
    """

    total: int
    held: int
    audio_waiting_s: float
    emissions_waiting: int
    results_waiting: int
    questions_open: int

    @property
    def free(self) -> int:
        return self.total - self.held


class EngineView:
    """Looks at one plane."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        geometry, offsets = plane.geometry, plane.layout
        self._processes = [
            (kind, index, ProcessLine(plane, offset_of(index)))
            for kind, count, offset_of in (
                ("frontend", geometry.frontends, offsets.frontend_process),
                ("worker", geometry.workers, offsets.worker_process),
                ("decoder", geometry.decoders, offsets.decoder_process),
                ("second pass", geometry.second_passes, offsets.second_pass_process),
                ("link", 1, lambda _: offsets.link_process),
            )
            for index in range(count)
        ]
        self._slots = [_Slot(plane, slot) for slot in range(geometry.slots)]

    @property
    def shutting_down(self) -> bool:
        return self._plane.shutting_down

    @property
    def failing(self) -> bool:
        return self._plane.failing

    def processes(self, now_ns: int) -> list[ProcessView]:
        """Every process that has ever been; ``now_ns`` is the monotonic clock's.

        A place that nobody has filled is no part of this engine: one whose model is on another
        machine has no decoders.
        """
        return [
            ProcessView(
                kind,
                index,
                line.state,
                line.generation,
                line.heartbeat_age_ms(now_ns),
                line.device,
            )
            for kind, index, line in self._processes
            if line.state is not ProcessState.ABSENT
        ]

    def slots(self) -> SlotsView:
        held = [slot for slot in self._slots if slot.is_held]
        return SlotsView(
            total=len(self._slots),
            held=len(held),
            audio_waiting_s=max((slot.audio_waiting_s for slot in held), default=0.0),
            emissions_waiting=max((slot.emissions_waiting for slot in held), default=0),
            results_waiting=max((slot.results_waiting for slot in held), default=0),
            questions_open=sum(slot.has_open_question for slot in held),
        )


class _Slot:
    """The four lines of one slot."""

    __slots__ = ("_decoder", "_frontend", "_rate_hz", "_second_pass", "_worker")

    def __init__(self, plane: Plane, slot: int) -> None:
        self._rate_hz = plane.geometry.sample_rate_hz
        self._frontend: Words = plane.line(plane.layout.frontend_line(slot))
        self._worker: Words = plane.line(plane.layout.worker_line(slot))
        self._decoder: Words = plane.line(plane.layout.decoder_line(slot))
        self._second_pass: Words = plane.line(plane.layout.second_pass_line(slot))

    @property
    def is_held(self) -> bool:
        return bool(self._frontend[layout.SLOT_SESSION] & 1)

    @property
    def audio_waiting_s(self) -> float:
        """Less than a chunk and its look-ahead is no backlog: the model waits for the rest."""
        begun = self._frontend[layout.SLOT_BASE_SAMPLES]
        computed = max(begun, self._worker[layout.SLOT_POSITION_SAMPLES])
        waiting = self._frontend[layout.SLOT_AUDIO_HEAD] - computed
        return max(0, waiting) / self._rate_hz

    @property
    def emissions_waiting(self) -> int:
        tail = max(
            self._decoder[layout.SLOT_EMISSION_TAIL], self._decoder[layout.SLOT_EMISSION_COMMIT]
        )
        return max(0, self._worker[layout.SLOT_EMISSION_HEAD] - tail)

    @property
    def results_waiting(self) -> int:
        head = self._decoder[layout.SLOT_OUTBOX_HEAD]
        return max(0, head - self._frontend[layout.SLOT_OUTBOX_TAIL])

    @property
    def has_open_question(self) -> bool:
        return self._decoder[layout.SLOT_ASKED] != self._second_pass[layout.SLOT_ANSWERED]
