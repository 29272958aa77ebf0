from __future__ import annotations

from dataclasses import replace

from shm.doorbells import Doorbells
from tests.shm.planes import SMALL, was_rung

KINDS = ("frontends", "workers", "decoders", "second_passes")


def test_one_bell_for_every_process(bells: Doorbells) -> None:
    for kind in KINDS:
        assert len(getattr(bells, kind)) == getattr(SMALL, kind), kind
    assert len(set(bells.fds)) == sum(getattr(SMALL, kind) for kind in KINDS)


def test_a_child_finds_every_bell_in_its_place(bells: Doorbells) -> None:
    child = Doorbells.from_fds(SMALL, bells.fds)
    assert child.fds == bells.fds
    for kind in KINDS:
        ours, theirs = getattr(bells, kind), getattr(child, kind)
        assert [bell.fd for bell in ours] == [bell.fd for bell in theirs], kind


def test_an_engine_without_a_second_pass_has_no_bell_for_one() -> None:
    without = replace(SMALL, second_passes=0)
    bells = Doorbells.create(without)
    assert bells.second_passes == ()
    assert Doorbells.from_fds(without, bells.fds).second_passes == ()
    assert len(bells.fds) == SMALL.frontends + SMALL.workers + SMALL.decoders
    bells.close()


def test_a_bell_wakes_the_process_whose_it_is(bells: Doorbells) -> None:
    child = Doorbells.from_fds(SMALL, bells.fds)
    for kind in KINDS:
        for index, bell in enumerate(getattr(bells, kind)):
            bell.ring()
            assert was_rung(getattr(child, kind)[index]), f"{kind} {index}"


def test_slots_are_dealt_to_the_processes_of_a_kind_in_turn() -> None:
    bells = Doorbells.create(replace(SMALL, second_passes=3))
    assert [bells.worker_of(slot) for slot in range(3)] == [bells.workers[0]] * 3
    first, second = bells.decoders
    assert [bells.decoder_of(slot) for slot in range(3)] == [first, second, first]
    first, second, third = bells.second_passes
    assert [bells.second_pass_of(slot) for slot in range(4)] == [first, second, third, first]
    bells.close()
