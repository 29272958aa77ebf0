"""Which stream goes to which model server, and what becomes of it when that one is lost."""

from __future__ import annotations

from itertools import count

import pytest

from server.tiers.channel import ChannelError
from server.tiers.figures import LinkFigures
from server.tiers.frames import Audio, Capacity, Credit, Drain, Frame, Full, Hello, Open, Release
from server.tiers.greeting import offer
from server.tiers.link import Link, ModelServer
from shm import figures
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.figures import Block
from shm.frontend_slot import FrontendSlot
from shm.link_line import LinkLine
from shm.link_slot import LinkSlot
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.process_line import ProcessLine
from shm.seal import CorruptRecordError
from shm.slot_pool import SlotPool
from tests.server.tiers.examples import result
from tests.shm.planes import SMALL, final, samples

_ids = count()


class Far(ModelServer):
    """A model server whose frames a test sees."""

    def __init__(self, free: int, rank: int = 0) -> None:
        self.heard: list[Frame] = []
        self.reads = True
        identity = next(_ids).to_bytes(16, "big")
        super().__init__(rank, offer(identity, 100, 4, free), self.heard.append, lambda: self.reads)

    def taken(self) -> list[Frame]:
        heard = list(self.heard)
        self.heard.clear()
        return heard


class Near:
    """A machine with a link."""

    def __init__(self, plane: Plane, bells: Doorbells) -> None:
        self.plane, self.bells = plane, bells
        ProcessLine(plane, plane.layout.link_process).announce(1)
        self.pool = SlotPool(plane, bells, 0)
        self.line = LinkLine(plane)
        self.link = self.new_link()

    def new_link(self) -> Link:
        slots = [LinkSlot(self.plane, self.bells, slot) for slot in range(SMALL.slots)]
        return Link(slots, self.line, 2, LinkFigures(self.plane))

    def client(self) -> FrontendSlot:
        slot = self.pool.claim()
        assert slot is not None
        self.link.pump()
        return slot

    def told(self) -> tuple[int, int]:
        view = self.line.view()
        assert view is not None
        return view.servers, view.capacity

    def replays(self) -> int:
        block = Block(self.plane, "link", self.plane.layout.link_process)
        return block.read(figures.REPLAYS)[0]


@pytest.fixture
def near(plane: Plane, bells: Doorbells) -> Near:
    return Near(plane, bells)


def opened(server: Far) -> list[int]:
    return [frame.stream for frame in server.taken() if isinstance(frame, Open)]


def test_the_first_of_the_list_that_has_room(near: Near) -> None:
    """However they came."""
    second, first = Far(5, rank=1), Far(1, rank=0)
    near.link.connected(second)
    near.link.connected(first)
    near.client()
    assert (opened(first), opened(second)) == ([1], [])
    near.client()
    assert (opened(first), opened(second)) == ([], [1])
    assert near.told() == (2, 6)


def test_those_of_one_name_share(near: Near) -> None:
    one, other = Far(5), Far(5)
    near.link.connected(one)
    near.link.connected(other)
    near.client()
    near.client()
    assert (opened(one), opened(other)) == ([1], [1])


def test_a_stream_waits_for_a_server(near: Near) -> None:
    assert near.told() == (0, 0)
    slot = near.client()
    slot.write_audio(samples(1, 2))
    server = Far(1)
    near.link.connected(server)
    near.link.pump()
    assert server.taken() == [Open(1, 0, 2)]
    assert near.told() == (1, 1)
    near.link.receive(server, Credit(1, 100, 0))
    near.link.pump()
    assert server.taken() == [Audio(1, b"\x01\0\x02\0")]


def test_what_a_stream_leaves_is_room_at_once(near: Near) -> None:
    """Its server frees the slot before it reads what comes behind."""
    server = Far(1)
    near.link.connected(server)
    near.pool.release(near.client())
    near.link.pump()
    assert near.told() == (1, 1)
    near.client()
    assert [type(frame) for frame in server.taken()] == [Open, Release, Open]


def test_who_lost_a_race_goes_to_the_next_or_waits(near: Near) -> None:
    first, second = Far(1, rank=0), Far(0, rank=1)
    near.link.connected(first)
    near.link.connected(second)
    near.client()
    near.link.receive(first, Full(1))
    near.link.pump()
    assert (opened(first), opened(second)) == ([1], [])
    assert near.told() == (2, 0)
    near.link.receive(second, Capacity(1))
    near.link.pump()
    assert opened(second) == [1]


def test_who_waits_longest_is_first(near: Near) -> None:
    slots = [near.client() for _ in range(3)]
    for number, slot in enumerate(slots):
        slot.write_audio(samples(number + 1))
    server = Far(1)
    near.link.connected(server)
    near.link.pump()
    near.link.receive(server, Credit(1, 9, 0))
    near.link.pump()
    assert server.taken()[1:] == [Audio(1, b"\x01\0")]


def test_a_session_that_ends_is_released(near: Near) -> None:
    server = Far(2)
    near.link.connected(server)
    placed, waiting = near.client(), None
    near.link.receive(server, Capacity(0))
    waiting = near.client()
    near.pool.release(placed)
    near.pool.release(waiting)
    near.link.pump()
    assert server.taken() == [Open(1, 0, 2), Release(1)]
    near.link.receive(server, Credit(1, 9, 0))
    near.link.receive(server, result(segment=1))
    near.link.receive(server, Full(1))
    near.link.pump()
    assert server.taken() == [], "it comes too late"


def test_streams_of_a_lost_server_go_on_elsewhere(near: Near) -> None:
    first, second = Far(2, rank=0), Far(2, rank=1)
    near.link.connected(first)
    near.link.connected(second)
    slot = near.client()
    slot.write_audio(samples(*range(20)))
    near.link.receive(first, Credit(1, 100, 0))
    near.link.pump()
    near.link.receive(first, result(text="one", segment=1, sample=15))
    near.link.pump()
    assert near.replays() == 0
    near.link.lost(first)
    near.link.pump()
    assert second.taken() == [Open(1, 15, 2)]
    assert near.told() == (1, 2)
    assert near.replays() == 1


def test_a_server_that_leaves_lets_go_of_its_streams(near: Near) -> None:
    server = Far(2)
    near.link.connected(server)
    near.client()
    near.link.receive(server, Drain())
    near.link.pump()
    assert server.taken() == [Open(1, 0, 2), Release(1)]
    assert near.told() == (0, 0)
    near.link.lost(server)
    other = Far(2)
    near.link.connected(other)
    near.link.pump()
    assert opened(other) == [1]


def test_a_successor_takes_up_what_was_open(near: Near) -> None:
    server = Far(2)
    near.link.connected(server)
    slot = near.client()
    slot.write_audio(samples(*range(20)))
    near.link.receive(server, Credit(1, 100, 0))
    near.link.pump()
    near.link.receive(server, result(segment=1, sample=15))
    near.link.pump()
    near.link = near.new_link()
    assert near.told() == (0, 0)
    again = Far(2)
    near.link.connected(again)
    near.link.pump()
    assert again.taken() == [Open(1, 15, 2)]
    assert near.replays() == 1


def test_who_does_not_read_is_sent_no_audio(near: Near) -> None:
    server = Far(1)
    near.link.connected(server)
    slot = near.client()
    near.link.receive(server, Credit(1, 100, 0))
    slot.write_audio(samples(1))
    server.reads = False
    near.link.pump()
    assert server.taken() == [Open(1, 0, 2)]
    server.reads = True
    near.link.pump()
    assert server.taken() == [Audio(1, b"\x01\0")]


def test_a_server_is_known_by_its_id(near: Near) -> None:
    server = Far(1)
    near.link.connected(server)
    assert near.link.knows(server.id)
    near.link.lost(server)
    assert not near.link.knows(server.id)


def test_what_is_not_for_a_server_to_send(near: Near) -> None:
    server = Far(1)
    near.link.connected(server)
    for frame in (Hello(1, bytes(32)), Open(1, 0, 0), Audio(1, b"\0\0"), Release(1)):
        with pytest.raises(ChannelError, match=f"it sent a {type(frame).__name__}"):
            near.link.receive(server, frame)


def test_a_session_whose_results_cannot_be_read_is_given_up_by_a_new_link(near: Near) -> None:
    far = Far(3)
    near.link.connected(far)
    client = near.client()
    DecoderSlot(near.plane, near.bells, 0).publish(
        final("word", epoch=client.epoch, resume=ResumePoint(1, 0, 0, 0, 0))
    )
    near.plane.bytes(near.plane.layout.outbox_record(0, 0) + 20, 1)[0] ^= 1
    link = near.new_link()
    link.pump()
    link.pump()
    with pytest.raises(CorruptRecordError):
        client.take()
    near.pool.release(client)
    again = near.pool.claim()
    assert again is not None
    link.pump()
    assert not LinkSlot(near.plane, near.bells, again.slot).has_given_up(again.epoch)
