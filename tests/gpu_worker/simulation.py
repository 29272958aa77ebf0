"""Frontend, worker and decoder in one process, scheduled by a seed and crashed at will.

Each has a mapping of the plane that tells of every access to a word. There, and between steps, the
seed may let another one run or end the one at work; a successor is then made from what the plane
holds, as the supervisor would. How often each happens is drawn per seed (swarm scheduling): evenly
random schedules hardly ever let one process fall far behind another, which is where the bugs are.
For the same reason a seed leaves things out altogether: where everything may happen, a client that
hangs up or a frontend that dies ends most streams before anything has become of them.
Some seeds bear a grudge besides: one process dies ahead of one particular store, again and again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpu_worker.endpointing import EndpointRules
from gpu_worker.partials import PARTIAL_MS, PartialSchedule
from gpu_worker.slot_decoder import SlotDecoder
from gpu_worker.worker import Worker
from shm import layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.outbox import OutboxRecord, read_outbox
from shm.plane import Plane
from shm.records import Hypothesis
from shm.slot_pool import SlotPool
from shm.worker_slot import WorkerSlot
from tests.gpu_worker.tiny import TINY, SpellingSearch, TinyStepper, geometry_of
from tests.shm.watched_plane import CrashError, WatchedPlane

SLOTS: Final = 2
MAX_DEPTH: Final = 2
RANDOM_STEPS: Final = 2_000
PHASE_STEPS: Final = (1.3, 2.8)
"""Powers of ten between which the steps lie after which the odds are drawn anew."""
CHAOS_ACCESSES: Final = 25_000
"""Accesses to words after which calm comes early: dying all the time takes its time."""
MORTAL: Final = (0.2, 0.6, 0.5)
"""Shares of the seeds in which frontend, worker and decoder die at times."""
GRUDGES: Final = 0.5
"""Share of the seeds that bear one."""
GRUDGE: Final = 0.9
"""How likely it is that the process dies there. Were it certain, no successor could repair."""
IDLE_ROUNDS: Final = 3
"""Rounds in which nobody does anything, in the calm at the end, that mean a deadlock."""
MOST_ROUNDS: Final = 20_000
MOST_ACCESSES: Final = 50_000
"""Rounds of the calm, and accesses to words in one step, that mean that it never ends."""

RULES: Final = replace(EndpointRules.of_model(TINY), audible_difference_rms=0)
"""Samples this small are all below what is audible by default, and nothing would be asked early."""

MARK: Final = None
Script: TypeAlias = Sequence["NDArray[np.int16] | None"]
"""What a client does: audio to send, or `MARK`. It ends with a mark."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A final, with what it settled in time of the client's own stream."""

    hypothesis: Hypothesis
    requested: bool
    segment: int
    sample: int


@dataclass(slots=True)
class Client:
    """One session: sends its script as room allows, collects what comes back."""

    script: Script
    slot: FrontendSlot
    base_sample: int
    sent: int = 0
    offset: int = 0
    results: list[OutboxRecord] = field(default_factory=list)

    @property
    def finals(self) -> list[Settled]:
        return [
            Settled(
                record.hypothesis,
                record.requested,
                record.resume.segment,
                record.resume.sample - self.base_sample,
            )
            for record in self.results
            if record.hypothesis.is_final
        ]

    def come_back(self, slot: FrontendSlot) -> None:
        """The frontend has died: its successor has found the session, and says how far it is."""
        slot.recall()
        del self.results[slot.said.count :]
        left, marks = slot.audio_head - self.base_sample, slot.marks_set
        self.slot, self.sent, self.offset = slot, 0, 0
        while self.sent < len(self.script):
            audio = self.script[self.sent]
            if audio is MARK:
                if not marks:
                    break
                marks -= 1
            elif left < audio.shape[0]:
                self.offset = left
                break
            else:
                left -= audio.shape[0]
            self.sent += 1

    @property
    def is_done(self) -> bool:
        if self.sent < len(self.script):
            return False
        answered = sum(record.requested for record in self.results)
        return answered == sum(item is MARK for item in self.script)

    def work_on(self) -> bool:
        """All that can be done now."""
        worked = False
        while self.work():
            worked = True
        return worked

    def work(self) -> bool:
        """One thing: take a result, or send what fits."""
        record = self.slot.take()
        if record is not None:
            self.results.append(record)
            self.slot.said.confirm(self.slot.said.count)
            self.slot.said.add(b"")
            return True
        if self.sent == len(self.script):
            return False
        audio = self.script[self.sent]
        if audio is MARK:
            if self.slot.free_marks == 0:
                return False
            self.slot.write_mark()
            self.sent += 1
            return True
        part = audio[self.offset : self.offset + self.slot.free_samples]
        if part.shape[0] == 0:
            return False
        self.slot.write_audio(part)
        self.offset += part.shape[0]
        if self.offset == audio.shape[0]:
            self.sent, self.offset = self.sent + 1, 0
        return True


@dataclass(frozen=True, slots=True)
class Swarm:
    """What happens in a seed at all.

    ``pace`` is each actor's chance per access to a word to die there, while it is in danger.
    """

    pace: tuple[float, float, float]
    interleaves: bool
    hangs_up: bool
    bears_grudge: bool

    @staticmethod
    def of(rng: random.Random) -> Swarm:
        mortal = [rng.random() < share for share in MORTAL]
        pace = [10 ** rng.uniform(-3.5, -1.5) if dies else 0.0 for dies in mortal]
        return Swarm(
            pace=(pace[0], pace[1], pace[2]),
            interleaves=rng.random() < 0.75,
            hangs_up=rng.random() < 0.25,
            bears_grudge=rng.random() < GRUDGES,
        )


@dataclass(frozen=True, slots=True)
class Odds:
    """Weights of the actors, and chances per access to a word (to hang up: per turn; to come
    back: per death of the frontend)."""

    weights: tuple[float, float, float]
    crash: tuple[float, float, float]
    interleave: float
    hang_up: float
    come_back: float

    @staticmethod
    def of(rng: random.Random, swarm: Swarm) -> Odds:
        weights = [10 ** rng.uniform(-3, 0) for _ in range(3)]
        crash = [rng.choice([0.0, pace, pace]) for pace in swarm.pace]
        return Odds(
            weights=(weights[0], weights[1], weights[2]),
            crash=(crash[0], crash[1], crash[2]),
            interleave=rng.choice([0.0, 0.01, 0.1]) if swarm.interleaves else 0.0,
            hang_up=rng.choice([0.0, 0.0, 0.05]) if swarm.hangs_up else 0.0,
            come_back=rng.choice([0.0, 0.0, 1.0]),
        )


CALM: Final = Odds((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 0.0, 0.0, 1.0)


class Simulation:
    """An engine of one frontend, one worker and one decoder, and the clients that it serves.

    Without a seed nothing happens to it.
    """

    def __init__(self, scripts: Sequence[Script], seed: int | None = None) -> None:
        self._is_disturbed = seed is not None
        self._rng = random.Random(seed)
        self._odds = CALM
        self._waiting = list(reversed(scripts))
        self._clients: dict[int, Client] = {}
        self.complete: list[Client] = []
        self.cut_off: list[Client] = []
        self._at_work: list[int] = []
        self._accesses = self._accesses_before = 0  # in all, and ahead of the step at hand
        self._stores: dict[tuple[int, int], None] = {}  # an actor and a word each, as seen so far
        self._grudge: tuple[int, int] | None = None
        self._watched: list[WatchedPlane] = []
        geometry = geometry_of(TINY, slots=SLOTS)
        self._plane = Plane.create(geometry)
        self._bells = Doorbells.create(geometry)
        self._planes: list[Plane] = [self._plane] * 3
        if self._is_disturbed:
            self._watched = [
                WatchedPlane(self._plane, partial(self._at_access, actor)) for actor in range(3)
            ]
            self._planes = [*self._watched]
        self._parts = [self._serve, self._compute, self._decode]
        self._starts = [self._start_frontend, self._start_worker, self._start_decoder]
        for start in self._starts:
            start()

    def run(self) -> None:
        """Chaos, then calm until every client is done.

        Raises:
            AssertionError: a process is stuck, or one of them found our mistake.
        """
        try:
            if self._is_disturbed:
                self._chaos()
            self._odds, self._grudge = CALM, None
            idle = rounds = 0
            while self._waiting or self._clients:
                rounds += 1
                assert rounds < MOST_ROUNDS, "there is no end to it"
                worked = [self._step(actor) for actor in range(3)]
                idle = 0 if any(worked) else idle + 1
                assert idle < IDLE_ROUNDS, "nobody can go on"
        finally:
            self._plane.close()
            self._bells.close()

    def _chaos(self) -> None:
        swarm = Swarm.of(self._rng)
        due = 0
        for step in range(RANDOM_STEPS):
            if self._accesses > CHAOS_ACCESSES or not (self._waiting or self._clients):
                return
            if step == due:
                due += int(10 ** self._rng.uniform(*PHASE_STEPS))
                self._odds = Odds.of(self._rng, swarm)
                if swarm.bears_grudge and self._grudge is None and self._stores:
                    self._grudge = self._rng.choice(list(self._stores))
            self._step(self._rng.choices(range(3), self._odds.weights)[0])

    def _step(self, actor: int) -> bool:
        """One part of an actor's work; a crash there is followed by its successor's start."""
        if not self._at_work:
            self._accesses_before = self._accesses
        self._at_work.append(actor)
        try:
            return self._parts[actor]()
        except CrashError:
            self._restart(actor)
            return True
        finally:
            self._at_work.pop()

    def _restart(self, actor: int) -> None:
        while True:
            try:
                self._starts[actor]()
            except CrashError:
                continue
            return

    def _at_access(self, actor: int, access: str) -> None:
        """Ahead of a load or store of ``actor``: it may die there, or another may run."""
        self._accesses += 1
        assert self._accesses - self._accesses_before < MOST_ACCESSES, "somebody goes in circles"
        odds = self._odds
        if odds is CALM:
            return
        if access == "store":
            store = actor, self._watched[actor].word
            self._stores[store] = None
            if store == self._grudge and self._rng.random() < GRUDGE:
                raise CrashError
        crash = odds.crash[actor]
        if not crash and not odds.interleave:
            return
        chance = self._rng.random()
        if chance < crash:
            raise CrashError
        if chance < crash + odds.interleave:
            free = [other for other in range(3) if other not in self._at_work]
            if free and len(self._at_work) <= MAX_DEPTH:
                self._step(self._rng.choice(free))

    def _start_frontend(self) -> None:
        self._pool = SlotPool(self._planes[0], self._bells, 0)
        left_open = {slot.slot: slot for slot in self._pool.find()}
        assert self._clients.keys() <= left_open.keys(), "a session is gone with its frontend"
        for number, slot in left_open.items():
            client = self._clients.get(number)
            if client is not None and self._rng.random() < self._odds.come_back:
                client.come_back(slot)
                continue
            if client is not None:
                self.cut_off.append(self._clients.pop(number))
            self._pool.release(slot)  # or it was being claimed, or released, and has no client

    def _start_worker(self) -> None:
        slots = [WorkerSlot(self._planes[1], self._bells, slot) for slot in range(SLOTS)]
        self._worker = Worker(TINY, TinyStepper(), slots, RULES)

    def _start_decoder(self) -> None:
        self._decoders = [
            SlotDecoder(
                TINY,
                DecoderSlot(self._planes[2], self._bells, slot),
                SpellingSearch(),
                PartialSchedule(TINY, PARTIAL_MS),
            )
            for slot in range(SLOTS)
        ]
        for slot in range(SLOTS):
            self._check_commits(slot)

    def _check_commits(self, slot: int) -> None:
        """What the newest final has settled is free once a decoder has started (rule R2).

        A loss of room for a while changes no final, and five finals in a row must suffer it before
        anyone is stuck: so it is looked at here.
        """
        line = self._plane.line(self._plane.layout.decoder_line(slot))
        head = line[layout.SLOT_OUTBOX_HEAD]
        if head > 0:
            offset = self._plane.layout.outbox_record(slot, head - 1)
            record = self._plane.bytes(offset, layout.OUTBOX_RECORD_BYTES)
            resume = read_outbox(record, head - 1).resume
            assert line[layout.SLOT_AUDIO_COMMIT] >= resume.sample, "settled audio is not free"
            assert line[layout.SLOT_MARK_COMMIT] >= resume.mark, "a settled mark is not free"

    def _compute(self) -> bool:
        return self._worker.round()

    def _decode(self) -> bool:
        worked = [decoder.work() for decoder in self._decoders]
        return any(worked)

    def _serve(self) -> bool:
        """Takes clients in, lets each do one thing, and sees them off."""
        worked = False
        while self._waiting and (slot := self._pool.claim()) is not None:
            base = slot._audio_head
            self._clients[slot.slot] = Client(self._waiting.pop(), slot, base)
            worked = True
        for client in list(self._clients.values()):
            worked |= client.work_on() if self._odds is CALM else client.work()
            hangs_up = self._rng.random() < self._odds.hang_up
            if client.is_done or hangs_up:
                del self._clients[client.slot.slot]
                (self.complete if client.is_done else self.cut_off).append(client)
                self._pool.release(client.slot)
        return worked
