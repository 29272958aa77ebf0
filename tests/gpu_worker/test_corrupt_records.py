"""Faults of the memory: bytes of records change while an engine works, crashes and goes on.

The world is the one of the recovery simulation. A client whose session is given up has its finals
until then, right and in order; nobody else notices, nothing else is raised, and the slot serves the
next one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress

import pytest

from shm import emissions, layout, outbox
from shm.emissions import SegmentEnd
from shm.plane import Plane
from shm.seal import CorruptRecordError
from tests.gpu_worker.simulation import SLOTS, Client, Script, Simulation
from tests.gpu_worker.test_recovery_simulation import batches, finals_of, script_of
from tests.gpu_worker.test_slot_decoder import fresh_slot, texts

SEEDS = range(40)
MORE_SEEDS = range(40, 160)
NEARBY_BYTES = 200
"""Most faults are where something is, the first bytes of a record."""


class FaultySimulation(Simulation):
    """Between steps, and until calm is there, bytes of emission and outbox records change."""

    def __init__(self, scripts: Sequence[Script], seed: int) -> None:
        self._fate = random.Random(~seed)
        self._often = self._fate.choice([0.002, 0.02, 0.1])
        self._calm = False
        self.faults = 0
        self.given_up: list[Client] = []
        super().__init__(scripts, seed)

    def _chaos(self) -> None:
        super()._chaos()
        self._calm = True

    def _step(self, actor: int) -> bool:
        if not self._calm and not self._at_work and self._fate.random() < self._often:
            self._fault()
        return super()._step(actor)

    def _fault(self) -> None:
        self.faults += 1
        slot, plan = self._fate.randrange(SLOTS), self._plane.layout
        if self._fate.random() < 0.5:
            head = self._plane.line(plan.decoder_line(slot))[layout.SLOT_OUTBOX_HEAD]
            begin, size = plan.outbox_record(slot, head - 1), layout.OUTBOX_RECORD_BYTES
        else:
            head = self._plane.line(plan.worker_line(slot))[layout.SLOT_EMISSION_HEAD]
            back = self._fate.randint(1, 6)
            begin, size = (
                plan.emission_record(slot, head - back),
                plan.geometry.emission_record_bytes,
            )
        at = begin + self._fate.randrange(min(size, NEARBY_BYTES))
        self._plane.bytes(at, 1)[0] ^= self._fate.randint(1, 255)

    def _serve(self) -> bool:
        for client in list(self._clients.values()):
            try:
                client.work()
            except CorruptRecordError:
                self.given_up.append(self._clients.pop(client.slot.slot))
                self._pool.release(client.slot)
        try:
            return super()._serve()
        except CorruptRecordError:
            return True  # found out just now: it is given up with the next step

    def _check_commits(self, slot: int) -> None:
        """What the newest final has settled is only known as long as it can be read."""
        with suppress(CorruptRecordError):
            super()._check_commits(slot)


def check(seed: int) -> FaultySimulation:
    """Raises AssertionError where a client of ``seed`` has a final that is not its next one."""
    rng = random.Random(seed)
    simulation = FaultySimulation([script_of(rng) for _ in range(6)], seed)
    simulation.run()
    for client in simulation.complete:
        assert client.finals == finals_of(client.script), f"seed {seed}"
    for client in (*simulation.cut_off, *simulation.given_up):
        if client.finals:
            expected = finals_of(client.script)[: len(client.finals)]
            assert client.finals == expected, f"seed {seed}"
    return simulation


@pytest.mark.parametrize("seeds", batches(SEEDS))
def test_no_wrong_word_and_nobody_stuck(seeds: range) -> None:
    worlds = [check(seed) for seed in seeds]
    assert sum(world.faults for world in worlds) > 100
    assert any(world.given_up for world in worlds)
    assert any(world.complete for world in worlds)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", batches(MORE_SEEDS))
def test_more_of_the_same(seeds: range) -> None:
    for seed in seeds:
        check(seed)


def test_without_seals_it_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary: were records believed as they stand, words would change or processes end."""
    for module in (emissions, outbox):
        monkeypatch.setattr(module, "check", lambda *_: None)

    def believe_everything() -> None:
        for seed in range(40):
            check(seed)

    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever comes of it
        believe_everything()


# -- one fault at a time


def spoil(plane: Plane, offset: int) -> None:
    """One bit in the middle of a record's first line."""
    plane.bytes(offset + 50, 1)[0] ^= 4


def test_a_corrupt_emission_ends_its_session_and_no_other() -> None:
    with fresh_slot() as slot:
        slot.emit("ab", end=SegmentEnd.ENDPOINT)
        assert texts(slot.results()) == ["ab."]
        slot.emit("cd", segment=1, start=20)
        spoil(slot.plane, slot.plane.layout.emission_record(0, 1))
        slot.emit("cd", segment=1, start=20, first=2, end=SegmentEnd.MARK)
        with pytest.raises(CorruptRecordError, match="decoder cannot go on"):
            slot.results()
        while slot.decoder.work():
            """What is left of the session is dropped."""
        slot.reconnect()
        slot.emit("ba", end=SegmentEnd.MARK)
        assert texts(slot.results()) == ["ba."]


@pytest.mark.parametrize("corrupt", ["taken", "not taken"])
def test_a_corrupt_result_ends_its_session_and_no_other(corrupt: str) -> None:
    """One that the client has is missed by the next decoder alone."""
    with fresh_slot() as slot:
        slot.emit("ab", end=SegmentEnd.ENDPOINT)
        if corrupt == "taken":
            slot.results()
        else:
            while slot.decoder.work():
                """Nobody takes the result."""
        spoil(slot.plane, slot.plane.layout.outbox_record(0, 0))
        slot.start_decoder()
        slot.emit("cd", segment=1, start=20, end=SegmentEnd.MARK)
        with pytest.raises(CorruptRecordError):
            slot.results()
        slot.reconnect()
        while slot.decoder.work():
            """What is left of the session is dropped."""
        slot.emit("ba", end=SegmentEnd.MARK)
        assert texts(slot.results()) == ["ba."]
