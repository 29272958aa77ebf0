"""The GPU worker: audio out of the slots' rings, log-probabilities into their emission rings.

One round: see which sessions came and went, plan every lane, run one batch, publish. It runs what
is ready and waits for nobody; between rounds it sleeps on its doorbell. It writes only the worker
lines and emission rings of its slots. A CUDA error, like any error, ends the process: its successor
starts each lane at the last final.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpu_worker.batching import RoundRobin
from gpu_worker.endpointing import EndpointRules
from gpu_worker.figures import WorkerFigures
from gpu_worker.lane import Lane, Plan
from gpu_worker.stepper import Stepper
from models.spec import ModelSpec
from shm.emissions import Emission
from shm.seal import CorruptRecordError
from shm.worker_slot import WorkerSlot

LogProbs: TypeAlias = NDArray[np.float32]


class Worker:
    """The lanes of one GPU and the model that serves them."""

    def __init__(
        self,
        spec: ModelSpec,
        stepper: Stepper,
        slots: Iterable[WorkerSlot],
        rules: EndpointRules | None = None,
        figures: WorkerFigures | None = None,
    ) -> None:
        """``rules`` say when an utterance is over; without them the default ones of the model.

        Without ``figures`` nothing is counted.
        """
        self._figures = figures
        self._spec = spec
        self._rules = rules or EndpointRules.of_model(spec)
        self._stepper = stepper
        self._heard = np.empty(spec.chunk_samples + spec.right_samples, np.int16)
        self._slots = {slot.slot: slot for slot in slots}
        self._rows = {slot: row for row, slot in enumerate(self._slots, start=1)}
        self._lanes: dict[int, Lane] = {}
        self._order = RoundRobin(self._slots)

    def round(self) -> bool:
        """Does what can be done now; returns whether there may be more at once."""
        self._follow_sessions()
        plans = self._plan()
        hurried = {slot for slot, plan in plans.items() if plan.hurries}
        batch = self._order.choose(plans, self._stepper.batch, hurried)
        self._publish(self._step(self._stage(batch, plans)))
        return bool(plans)

    def _follow_sessions(self) -> None:
        """Opens a lane for each new session and drops those whose session ended."""
        for slot, words in self._slots.items():
            lane = self._lanes.get(slot)
            if words.epoch != (lane.epoch if lane else None):
                self._open_lane(slot)

    def _open_lane(self, slot: int) -> None:
        """A lane at the session's last final, or at its start (rule R1); none without a session.

        One whose last final cannot be read is given up: its frontend ends it.
        """
        self._lanes.pop(slot, None)
        words = self._slots[slot]
        session = words.session()
        if session is None or words.has_given_up(session.epoch):
            return
        try:
            resume = words.resume_point(session)
        except CorruptRecordError as error:
            words.give_up(session.epoch, error)
            return
        self._lanes[slot] = Lane(self._spec, self._rules, session.epoch, resume)

    def _plan(self) -> dict[int, Plan]:
        """Each lane's next step. A lane without room waits for its decoder alone (rule R8)."""
        plans = {slot: self._plan_lane(slot) for slot in list(self._lanes)}
        return {slot: plan for slot, plan in plans.items() if plan is not None}

    def _plan_lane(self, slot: int) -> Plan | None:
        """Lets a lane hear what has arrived, and asks for its next step.

        A lane whose audio was settled meanwhile goes back to the last final (rule R4), as often as
        there are records of a dead worker that its decoder still settles.
        """
        words = self._slots[slot]
        while (lane := self._lanes.get(slot)) is not None and words.has_room:
            audio_head = words.audio_head  # before the mark: see `WorkerSlot.audio_head`
            mark_sample = words.mark_at(lane.mark)
            if self._hear(words, lane, lane.unheard(audio_head, mark_sample)):
                return lane.plan(audio_head, mark_sample)
            self._open_lane(slot)
        return None

    def _hear(self, words: WorkerSlot, lane: Lane, unheard: tuple[int, int] | None) -> bool:
        """Copies what a lane has not heard yet; False if its segment has been settled meanwhile."""
        if unheard is None:
            return True
        begin, end = unheard
        samples = self._heard[: end - begin]
        if not words.copy_audio(lane.epoch, lane.segment_start, lane.mark, begin, samples):
            return False
        lane.listen(samples)
        if lane.pause is not None:
            words.pauses(*lane.pause)
        return True

    def _stage(self, batch: list[int], plans: dict[int, Plan]) -> list[tuple[int, Plan]]:
        """Copies each lane's window into the next free item of the model's batch.

        A lane whose audio was settled meanwhile goes back to the last final (rule R4).
        """
        staged: list[tuple[int, Plan]] = []
        for slot in batch:
            plan, lane = plans[slot], self._lanes[slot]
            item = len(staged)
            window = self._stepper.stage(item, self._rows[slot], first=plan.first)
            begin, end = plan.start - plan.window_start, plan.stop - plan.window_start
            self._stepper.bound(item, begin, end)
            if self._slots[slot].copy_audio(
                lane.epoch, lane.segment_start, lane.mark, plan.start, window[begin:end]
            ):
                staged.append((slot, plan))
            else:
                self._open_lane(slot)
        return staged

    def _step(self, staged: list[tuple[int, Plan]]) -> list[tuple[int, Plan, LogProbs]]:
        """Runs the model; not at all where no item has a frame left to compute."""
        if any(plan.frames for _, plan in staged):
            with self._figures.step(len(staged)) if self._figures else nullcontext():
                log_probs = self._stepper.run(len(staged))
        else:
            log_probs = np.empty((len(staged), 0, len(self._spec.vocabulary)), np.float32)
        return [
            (slot, plan, log_probs[item, : plan.frames]) for item, (slot, plan) in enumerate(staged)
        ]

    def _publish(self, results: list[tuple[int, Plan, LogProbs]]) -> None:
        """Emissions to the decoders, unless the session ended while the model ran."""
        for slot, plan, log_probs in results:
            words, lane = self._slots[slot], self._lanes[slot]
            if words.epoch == lane.epoch:
                emission = lane.complete(plan, log_probs)
                if emission is not None:
                    self._hand_over(slot, plan, emission)

    def _hand_over(self, slot: int, plan: Plan, emission: Emission) -> None:
        if self._figures is None:
            self._slots[slot].publish(emission)
            return
        times_ns = self._figures.times(slot, plan)
        self._slots[slot].publish(emission, times_ns)
        self._figures.published(emission.log_probs.shape[0], times_ns)
