"""Two tiers in one process, scheduled by a seed, crashed and cut off at will.

The machine of the WebSocket server has a frontend and a link, each model server a listener, a
worker and a decoder: seven or more actors on two or three planes, with the real code of the link,
the hosting, the channels and the frames between them. Each process may die at any access to a word
of its plane; a connection may be lost after any byte; a model server may drain. Sockets are two
queues of bytes, of which the seed lets some arrive. Time stands still: nothing is found out by a
clock here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gpu_worker.partials import PARTIAL_MS, PartialSchedule
from gpu_worker.slot_decoder import SlotDecoder
from gpu_worker.worker import Worker
from server.admission import Admission, FrontendFigures
from server.tiers.channel import Channel
from server.tiers.frames import Drain
from server.tiers.greeting import LinkGreeting, ServerGreeting, offer
from server.tiers.hosting import Hosting
from server.tiers.link import Link, ModelServer
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.layout import PARTIALS_OF_ENGINE
from shm.link_line import LinkLine
from shm.link_slot import LinkSlot
from shm.plane import Plane
from shm.slot_pool import SlotPool
from shm.worker_slot import WorkerSlot
from tests.gpu_worker.simulation import RULES, Client, Script
from tests.gpu_worker.tiny import TINY, SpellingSearch, TinyStepper, geometry_of
from tests.shm.watched_plane import CrashError, WatchedPlane

SLOTS: Final = 2
MAX_DEPTH: Final = 2
RANDOM_STEPS: Final = 3_000
STEPS_PER_DRAW: Final = 300
IDLE_ROUNDS: Final = 6
"""Rounds in which nobody does anything, in the calm at the end, that mean a deadlock."""
KEY: Final = b"a key for two tiers"
NONCE: Final = bytes(32)


@dataclass(slots=True)
class Wire:
    """One connection: its two channels, and the bytes on their way in each direction."""

    link_end: Channel
    server_end: Channel
    to_server: bytearray = field(default_factory=bytearray)
    to_link: bytearray = field(default_factory=bytearray)
    server: ModelServer | None = None
    hosting: Hosting | None = None
    is_cut: bool = False

    def collect(self) -> None:
        """What both ends have to send is on its way."""
        self.to_server += self.link_end.outgoing()
        self.to_link += self.server_end.outgoing()


@dataclass(frozen=True, slots=True)
class Odds:
    """Weights of the actors, and chances: of a crash per access, of a cut or a drain per turn."""

    weights: Sequence[float]
    crash: Sequence[float]
    interleave: float
    cut: float
    drain: float
    hang_up: float
    dribble: bool

    @staticmethod
    def of(rng: random.Random, actors: int) -> Odds:
        return Odds(
            weights=[10 ** rng.uniform(-2.5, 0) for _ in range(actors)],
            crash=[rng.choice([0.0, 0.0, 10 ** rng.uniform(-4, -1.7)]) for _ in range(actors)],
            interleave=rng.choice([0.0, 0.01, 0.1]),
            cut=rng.choice([0.0, 0.003, 0.05]),
            drain=rng.choice([0.0, 0.0, 0.01]),
            hang_up=rng.choice([0.0, 0.0, 0.0, 0.03]),
            dribble=rng.random() < 0.3,
        )

    @staticmethod
    def calm(actors: int) -> Odds:
        return Odds([1.0] * actors, [0.0] * actors, 0.0, 0.0, 0.0, 0.0, dribble=False)


class _LeavingError(Exception):
    """A model server said that it is going away. Nothing else that ends a connection may happen."""


Turn = Callable[[], bool]


class World:
    """One WebSocket server, ``servers`` model servers, and the clients that they serve."""

    def __init__(self, scripts: Sequence[Script], seed: int, servers: int) -> None:
        self._rng = random.Random(seed)
        self._waiting = list(reversed(scripts))
        self._clients: dict[int, Client] = {}
        self.complete: list[Client] = []
        self.cut_off: list[Client] = []
        self._at_work: list[int] = []
        self._turns: list[Turn] = []
        self._starts: list[Callable[[], None]] = []
        self.replays = 0
        self._near = _Machine(self)
        self._far = [_ModelMachine(self, number) for number in range(servers)]
        self._add(self._near.start_frontend, self._serve_clients, self._near, 0)
        self._add(self._start_link, self._run_link, self._near, 1)
        for machine in self._far:
            self._add(machine.start_listener, machine.host, machine, 0)
            self._add(machine.start_worker, machine.compute, machine, 1)
            self._add(machine.start_decoder, machine.decode, machine, 2)
        self._odds = Odds.calm(len(self._turns))
        for actor in range(len(self._turns)):
            self._restart(actor)

    def run(self) -> None:
        """Chaos, then calm until every client is done.

        Raises:
            AssertionError: somebody is stuck, or finds a mistake of ours.
        """
        try:
            self._chaos()
            self._odds = Odds.calm(len(self._turns))
            idle = 0
            while self._waiting or self._clients:
                worked = [self._step(actor) for actor in range(len(self._turns))]
                idle = 0 if any(worked) else idle + 1
                assert idle < IDLE_ROUNDS, "nobody can go on"
        finally:
            for machine in (self._near, *self._far):
                machine.close()

    # -- what happens to whom

    def _add(self, start: Callable[[], None], turn: Turn, machine: _Machine, part: int) -> None:
        actor = len(self._turns)
        machine.planes[part].before = partial(self._at_access, actor)
        self._starts.append(start)
        self._turns.append(turn)

    def _chaos(self) -> None:
        for step in range(RANDOM_STEPS):
            if not (self._waiting or self._clients):
                return
            if step % STEPS_PER_DRAW == 0:
                self._odds = Odds.of(self._rng, len(self._turns))
            self._step(self._rng.choices(range(len(self._turns)), self._odds.weights)[0])
            for machine in self._far:
                if machine.wire is not None and self._rng.random() < self._odds.cut:
                    machine.wire.is_cut = True
                if self._rng.random() < self._odds.drain:
                    machine.drain()

    def _step(self, actor: int) -> bool:
        self._at_work.append(actor)
        try:
            return self._turns[actor]()
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

    def _at_access(self, actor: int, _access: str) -> None:
        chance = self._rng.random()
        if chance < self._odds.crash[actor]:
            raise CrashError
        if chance < self._odds.crash[actor] + self._odds.interleave:
            free = [other for other in range(len(self._turns)) if other not in self._at_work]
            if free and len(self._at_work) <= MAX_DEPTH:
                self._step(self._rng.choice(free))

    def arriving(self, on_the_way: bytearray) -> bytes:
        """Some of it, or all; taken off."""
        count = len(on_the_way)
        if self._odds.dribble and count:
            count = self._rng.randint(0, count)
        data = bytes(on_the_way[:count])
        del on_the_way[:count]
        return data

    # -- the WebSocket server

    def _serve_clients(self) -> bool:
        """Takes clients in, lets each do one thing, and sees them off."""
        worked = False
        if not self._near.is_new_pool:
            self.cut_off += self._clients.values()
            self._clients = {}
            self._near.is_new_pool = True
        while self._waiting and (slot := self._near.pool.claim()) is not None:
            self._clients[slot.slot] = Client(self._waiting.pop(), slot, slot.base_sample)
            worked = True
        for client in list(self._clients.values()):
            worked |= client.work()
            hangs_up = self._rng.random() < self._odds.hang_up
            if client.is_done or hangs_up:
                del self._clients[client.slot.slot]
                (self.complete if client.is_done else self.cut_off).append(client)
                self._near.pool.release(client.slot)
        return worked

    def _start_link(self) -> None:
        """Its connections died with its predecessor; the servers find out by their next turn."""
        for machine in self._far:
            if machine.wire is not None:
                machine.wire.is_cut = True
                machine.wire.server = None
        plane = self._near.planes[1]
        slots = [LinkSlot(plane, self._near.bells, slot) for slot in range(SLOTS)]
        self._link = Link(slots, LinkLine(plane), PARTIALS_OF_ENGINE)

    def _run_link(self) -> bool:
        worked = False
        for rank, machine in enumerate(self._far):
            wire = machine.wire
            if wire is None:
                continue
            if wire.is_cut:
                worked |= wire.server is not None
                self._lose(wire)
                continue
            data = self.arriving(wire.to_link)
            worked |= bool(data)
            try:
                for frame in wire.link_end.receive(data, 0.0):
                    self._meet(rank, wire)
                    assert wire.server is not None
                    self._link.receive(wire.server, frame)
                    if wire.server.leaves:
                        raise _LeavingError
                self._meet(rank, wire)
            except _LeavingError:
                wire.collect()
                wire.is_cut = True
                self._lose(wire)
        self._link.pump()
        for machine in self._far:
            if machine.wire is not None and not machine.wire.is_cut:
                machine.wire.collect()
        return worked

    def _meet(self, rank: int, wire: Wire) -> None:
        if wire.server is None and wire.link_end.is_open:
            greeting = wire.link_end._greeting
            assert isinstance(greeting, LinkGreeting)
            assert greeting.welcome is not None
            wire.server = ModelServer(rank, greeting.welcome, wire.link_end.send)
            self._link.connected(wire.server)

    def _lose(self, wire: Wire) -> None:
        if wire.server is not None:
            self._link.lost(wire.server)
            wire.server = None
            self.replays += 1


def _pool(plane: Plane, bells: Doorbells) -> SlotPool:
    """What a predecessor left open ends with its connections."""
    pool = SlotPool(plane, bells, 0)
    for slot in pool.find():
        pool.release(slot)
    return pool


class _Machine:
    """A plane, a watched mapping of it for each process, and their doorbells."""

    def __init__(self, world: World) -> None:
        self.world = world
        geometry = geometry_of(TINY, slots=SLOTS)
        self._plane = Plane.create(geometry)
        self.bells = Doorbells.create(geometry)
        self.planes = [WatchedPlane(self._plane, lambda _: None) for _ in range(3)]
        self.wire: Wire | None = None
        self.is_new_pool = True

    def start_frontend(self) -> None:
        self.is_new_pool = False
        self.pool = _pool(self.planes[0], self.bells)

    def close(self) -> None:
        self._plane.close()
        self.bells.close()


class _ModelMachine(_Machine):
    """A model server."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self._id = bytes([number]) * 16

    def start_listener(self) -> None:
        """A new one has no connection; that of its predecessor is lost."""
        if self.wire is not None:
            self.wire.is_cut = True
            self.wire.hosting = None
        plane = self.planes[0]
        self.pool = _pool(plane, self.bells)
        self._admission = Admission(plane, self.pool, FrontendFigures(plane, 0))
        self._leaves = False

    def start_worker(self) -> None:
        slots = [WorkerSlot(self.planes[1], self.bells, slot) for slot in range(SLOTS)]
        self._worker = Worker(TINY, TinyStepper(), slots, RULES)

    def start_decoder(self) -> None:
        self._decoders = [
            SlotDecoder(
                TINY,
                DecoderSlot(self.planes[2], self.bells, slot),
                SpellingSearch(),
                PartialSchedule(TINY, PARTIAL_MS),
            )
            for slot in range(SLOTS)
        ]

    def compute(self) -> bool:
        return self._worker.round()

    def decode(self) -> bool:
        worked = [decoder.work() for decoder in self._decoders]
        return any(worked)

    @property
    def free(self) -> int:
        return 0 if self._leaves else SLOTS - self.pool.held

    def drain(self) -> None:
        """It is told to stop; once its streams have gone, its successor starts."""
        wire = self.wire
        if wire is not None and wire.hosting is not None and not wire.is_cut:
            self._leaves = True
            wire.server_end.send(Drain())
            wire.collect()

    def host(self) -> bool:
        """A turn of the listener: accepts, receives, sends."""
        wire = self.wire
        if wire is None:
            self.wire = self._new_wire()
            return True
        if wire.is_cut:
            if wire.hosting is not None:
                wire.hosting.close()
                wire.hosting = None
                return True
            if wire.server is not None:
                return False  # the link has not noticed yet
            self._leaves = False
            self.wire = None
            return True
        data = self.world.arriving(wire.to_server)
        for frame in wire.server_end.receive(data, 0.0):
            self._meet(wire)
            assert wire.hosting is not None
            wire.hosting.receive(frame, takes_more=not self._leaves)
        self._meet(wire)
        if wire.hosting is not None:
            wire.hosting.pump(self.free)
        before = len(wire.to_link)
        wire.collect()
        return bool(data) or len(wire.to_link) > before

    def _new_wire(self) -> Wire:
        def make_offer():  # type: ignore[no-untyped-def]
            return offer(self._id, TINY.sample_rate_hz, SLOTS, self.free)

        wire = Wire(
            Channel(LinkGreeting(KEY, NONCE), 0.0),
            Channel(ServerGreeting(KEY, NONCE, make_offer), 0.0),
        )
        wire.collect()
        return wire

    def _meet(self, wire: Wire) -> None:
        if wire.hosting is None and wire.server_end.is_open:
            wire.hosting = Hosting(self._admission, self.free, wire.server_end.send)
