from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm import layout
from shm.layout import LINE_BYTES, SAID_BYTES
from shm.plane import Plane
from shm.said import KEPT_ANYWAY, Said
from shm.seal import CorruptRecordError
from tests.shm.watched_plane import CrashError, Fuse, WatchedPlane


class Place:
    """A slot's line and ring, and those who write there one after the other."""

    def __init__(self) -> None:
        self.line = memoryview(bytearray(LINE_BYTES)).cast("Q")
        self.ring = memoryview(bytearray(SAID_BYTES))

    def begun(self) -> Said:
        said = Said(self.line, self.ring)
        said.begin(0)
        return said

    def found(self, outbox_taken: int = 0) -> Said:
        said = Said(self.line, self.ring)
        said.find(outbox_taken)
        return said


def numbered(said: Said, count: int) -> None:
    for _ in range(count):
        said.add(b"%d" % (said.count + 1))


def numbers(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]


def test_what_follows_a_message() -> None:
    said = Place().begun()
    numbered(said, 5)
    assert said.count == 5
    assert said.after(0) == numbers(1, 5)
    assert said.after(3) == numbers(4, 5)
    assert said.after(5) == []


def test_what_passes_is_counted_and_not_kept() -> None:
    said = Place().begun()
    assert (said.pass_by(), said.pass_by()) == (1, 2)
    said.add(b"final")
    assert said.pass_by() == 4
    assert said.after(0) == [b"final"]
    assert said.after(2) == [b"final"]
    assert said.after(3) == []


def test_what_arrived_is_forgotten_but_for_the_last() -> None:
    said = Place().begun()
    numbered(said, 100)
    said.confirm(50)
    assert said.after(0) == numbers(50 - KEPT_ANYWAY + 1, 100)
    said.confirm(10**9)
    assert said.after(0) == numbers(100 - KEPT_ANYWAY + 1, 100)
    said.confirm(-1)
    assert len(said.after(0)) == KEPT_ANYWAY
    assert not said.lost


def test_what_finds_no_room_pushes_out_the_oldest() -> None:
    said = Place().begun()
    half = bytes(SAID_BYTES // 2 - 150)
    said.add(b"first")
    said.add(half)
    said.confirm(2)
    said.add(half)
    assert said.after(0) == [b"first", half, half]
    said.add(b"x" * 200)
    assert said.after(0) == [half, half, b"x" * 200]
    assert not said.lost, "it had arrived"
    said.add(half)
    said.add(half)
    assert said.after(0) == [b"x" * 200, half, half]
    assert said.lost


def test_what_is_larger_than_the_ring_is_lost() -> None:
    place = Place()
    said = place.begun()
    said.add(b"before")
    said.add(bytes(SAID_BYTES))
    assert said.lost
    assert (said.count, said.after(0)) == (2, [b"before"])
    assert place.found().lost


def test_a_successor_knows_all_of_it() -> None:
    place = Place()
    said = place.begun()
    said.outbox_taken = 3
    numbered(said, 4)
    said.pass_by()
    found = place.found(outbox_taken=2)
    assert (found.count, found.after(0), found.outbox_taken) == (5, numbers(1, 4), 3)
    numbered(found, 1)
    found.confirm(4)
    assert place.found(outbox_taken=9).outbox_taken == 9
    assert place.found().after(4) == [b"6"]


def test_a_new_session_begins_with_nothing() -> None:
    place = Place()
    numbered(place.begun(), 4)
    place.begun()
    assert (place.found().count, place.found().after(0)) == (0, [])


def test_an_entry_that_was_changed_is_found_out() -> None:
    place = Place()
    said = place.begun()
    said.add(b"a final")
    for at in range(24 + len(b"a final")):
        place.ring[at] ^= 1
        with pytest.raises(CorruptRecordError):
            place.found()
        place.ring[at] ^= 1
    assert place.found().after(0) == [b"a final"]


def test_a_size_that_leads_past_the_head_is_found_out() -> None:
    place = Place()
    place.begun().add(b"a final")
    place.line[layout.CLIENT_SAID_HEAD] -= 1
    with pytest.raises(CorruptRecordError, match="bytes"):
        place.found()


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["final", "partial", "confirm"]), st.integers(0, 60)), max_size=60
)


def take(said: Said, step: Step) -> None:
    kind, number = step
    if kind == "confirm":
        said.confirm(number)
    elif kind == "partial":
        said.pass_by()
    else:
        said.outbox_taken += 1
        size = 10 + number * SAID_BYTES // 300
        said.add(b"%d" % (said.count + 1) + b" " * size)


@given(STEPS, st.integers(0, 250))
def test_whatever_store_is_its_last_the_successor_knows_what_was_said(
    steps: list[Step], stores: int
) -> None:
    """A final counts from one store on, with the record of the outbox that it answers."""
    from tests.shm.planes import SMALL

    plane = Plane.create(SMALL)
    try:
        calm = Said.of_slot(plane, 0)
        calm.begin(0)
        fuse = Fuse(stores)
        watched = Said.of_slot(WatchedPlane(plane, fuse), 0)
        fuse.stores = None
        watched.find(0)
        fuse.stores = stores
        taken, finals, confirmed = 0, [], 0
        last: Step | None = None
        try:
            for step in steps:
                last = step
                if step[0] == "confirm":
                    confirmed = max(confirmed, min(step[1], watched.count))
                take(watched, step)
                if step[0] == "final":
                    taken += 1
                    finals.append(watched.count)
                last = None
        except CrashError:
            assert last is not None
        found = Said.of_slot(plane, 0)
        found.find(taken)
        again = [int(message) for message in found.after(0)]
        assert again == sorted(set(again))
        assert found.count >= (again[-1] if again else 0)
        missing = [final for final in finals if final > confirmed and final not in again]
        assert not missing or found.lost
        if last is not None and last[0] == "final" and found.outbox_taken > taken:
            assert again[-1] == found.count, "the one that it died over counts as said"
        else:
            assert all(number in finals for number in again)
    finally:
        plane.close()
