from __future__ import annotations

from shm.doorbells import Doorbells
from tests.shm.planes import SMALL


def test_one_bell_for_every_process(bells: Doorbells) -> None:
    assert len(bells.frontends) == SMALL.frontends
    assert len(bells.workers) == SMALL.workers
    assert len(bells.decoders) == SMALL.decoders
    assert len(set(bells.fds)) == SMALL.frontends + SMALL.workers + SMALL.decoders


def test_a_child_finds_every_bell_in_its_place(bells: Doorbells) -> None:
    child = Doorbells.from_fds(SMALL, bells.fds)
    assert child.fds == bells.fds
    for kind in ("frontends", "workers", "decoders"):
        ours, theirs = getattr(bells, kind), getattr(child, kind)
        assert [bell.fd for bell in ours] == [bell.fd for bell in theirs], kind


def test_slots_are_dealt_to_workers_and_decoders_in_turn(bells: Doorbells) -> None:
    assert [bells.worker_of(slot) for slot in range(3)] == [bells.workers[0]] * 3
    first, second = bells.decoders
    assert [bells.decoder_of(slot) for slot in range(3)] == [first, second, first]
