"""Whoever dies, whatever is cut off: finals are those of one machine on which nothing happens."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from server.tiers.frames import Open
from server.tiers.stream import LinkStream
from tests.gpu_worker.test_recovery_simulation import batches, finals_of, script_of
from tests.server.tiers.world import World

SEEDS = range(60)
MORE_SEEDS = range(60, 600)
CANARY_SEEDS = range(300)
"""A broken rule shows in one of about thirty: so many that it is no matter of luck."""


def check(seed: int) -> None:
    """Raises AssertionError where ``seed`` loses, doubles or changes a final, or gets stuck."""
    rng = random.Random(seed)
    world = World([script_of(rng) for _ in range(4)], seed, servers=rng.choice([1, 2]))
    world.run()
    for client in world.complete:
        assert client.finals == finals_of(client.script), f"seed {seed}"
    for client in world.cut_off:
        if client.finals:
            expected = finals_of(client.script)[: len(client.finals)]
            assert client.finals == expected, f"seed {seed}"


@pytest.mark.parametrize("seeds", batches(SEEDS))
def test_no_final_is_lost_doubled_or_changed(seeds: range) -> None:
    for seed in seeds:
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", batches(MORE_SEEDS))
def test_not_with_many_more_seeds_either(seeds: range) -> None:
    for seed in seeds:
        check(seed)


def is_found_out() -> bool:
    """Whether the seeds notice that a rule is broken."""
    for seed in CANARY_SEEDS:
        try:
            check(seed)
        except AssertionError:
            return True
    return False


def test_much_has_to_be_replayed() -> None:
    """The seeds are worth something: connections are lost while streams are open."""
    replays = complete = 0
    for seed in range(10):
        rng = random.Random(seed)
        world = World([script_of(rng) for _ in range(4)], seed, servers=rng.choice([1, 2]))
        world.run()
        replays += world.replays
        complete += len(world.complete)
    assert replays > 20
    assert complete > 10


def test_canary_results_of_a_lost_connection_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come once more over the next one."""
    open_stream = LinkStream.open

    def keeps(self: LinkStream, number: int, partials: int) -> Open:
        kept = list(self._results)
        frame = open_stream(self, number, partials)
        self._results.extend(kept)
        return frame

    monkeypatch.setattr(LinkStream, "open", keeps)
    assert is_found_out()


def test_canary_times_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words' times count from the last final that was settled before the replay."""
    open_stream = LinkStream.open

    def forgets(self: LinkStream, number: int, partials: int) -> Open:
        return replace(open_stream(self, number, partials), origin=0)

    monkeypatch.setattr(LinkStream, "open", forgets)
    assert is_found_out()


def test_canary_a_replay_begins_where_sending_had_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent and not settled is lost with the connection."""
    open_stream = LinkStream.open

    def goes_on(self: LinkStream, number: int, partials: int) -> Open:
        sent, marks = self._sent, self._marks_sent
        frame = open_stream(self, number, partials)
        self._sent, self._marks_sent = max(sent, self._sent), max(marks, self._marks_sent)
        return frame

    monkeypatch.setattr(LinkStream, "open", goes_on)
    assert is_found_out()
