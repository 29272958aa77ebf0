"""A link's streams in slots of this machine: what it may do, and what it is told."""

from __future__ import annotations

import pytest

from server.admission import Admission, FrontendFigures
from server.tiers.channel import ChannelError
from server.tiers.frames import (
    Audio,
    Capacity,
    Credit,
    Frame,
    Full,
    Hello,
    Mark,
    Open,
    Release,
    Result,
)
from server.tiers.hosting import MAX_ORIGIN, Hosting
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.layout import MARK_RECORDS
from shm.outbox import OutboxRecord, ResumePoint
from shm.plane import Plane
from shm.slot_pool import SlotPool
from shm.worker_slot import WorkerSlot
from tests.shm.planes import SMALL, final


class Hosted:
    """A model server's side of one link."""

    def __init__(self, plane: Plane, bells: Doorbells) -> None:
        self.plane, self.bells = plane, bells
        self.pool = SlotPool(plane, bells, 0)
        self.said: list[Frame] = []
        self.reads = True
        admission = Admission(plane, self.pool, FrontendFigures(plane, 0))
        self.hosting = Hosting(admission, SMALL.slots, self.said.append, lambda: self.reads)

    def receive(self, *frames: Frame, takes_more: bool = True) -> None:
        for frame in frames:
            self.hosting.receive(frame, takes_more=takes_more)

    def answers(self) -> list[Frame]:
        self.hosting.pump(SMALL.slots - self.pool.held)
        said = list(self.said)
        self.said.clear()
        return said

    def worker(self, slot: int = 0) -> WorkerSlot:
        return WorkerSlot(self.plane, self.bells, slot)

    def publish(self, record: OutboxRecord, slot: int = 0) -> None:
        DecoderSlot(self.plane, self.bells, slot).publish(record)


@pytest.fixture
def hosted(plane: Plane, bells: Doorbells) -> Hosted:
    return Hosted(plane, bells)


ROOM = 1000
"""Ten seconds at 100 Hz: what may lie ahead of the model."""


def test_a_stream_gets_a_slot_and_its_audio_lands_there(hosted: Hosted) -> None:
    hosted.receive(Open(1, 500, 2))
    assert hosted.answers() == [Credit(1, ROOM, 0), Capacity(2)]
    hosted.receive(Audio(1, b"\x01\0\x02\0"), Mark(1))
    worker = hosted.worker()
    session = worker.session()
    assert session is not None
    assert (session.origin_samples, session.partials) == (500, 2)
    assert worker.audio_head == 2
    assert worker.mark_at(0) == 2


def test_credit_follows_what_is_computed_and_is_never_taken_back(hosted: Hosted) -> None:
    hosted.receive(Open(1, 0, 0))
    hosted.answers()
    hosted.receive(Audio(1, bytes(2 * 80)))
    assert hosted.answers() == []
    hosted.worker().stands_at(40)
    assert hosted.answers() == [Credit(1, ROOM + 40, 40)]
    hosted.worker().stands_at(0)  # its successor begins again
    assert hosted.answers() == [Credit(1, ROOM + 40, 0)]


def test_results_count_from_the_streams_begin(hosted: Hosted) -> None:
    """Whatever the slot held before."""
    hosted.receive(Open(1, 0, 0), Mark(1), Open(2, 0, 0))
    hosted.receive(Release(1))
    hosted.answers()
    for number in range(3, 6):  # around to the first slot again
        hosted.receive(Open(number, 0, 0))
    assert [f.stream for f in hosted.answers() if isinstance(f, Full)] == [5]
    assert hosted.worker().epoch == 3
    hosted.receive(Mark(4))
    hosted.publish(final("hello", epoch=3, resume=ResumePoint(1, 30, 2, 9, 30), requested=True))
    (answer,) = (frame for frame in hosted.answers() if isinstance(frame, Result))
    assert answer.hypothesis.words[0].text == "hello"
    assert (answer.stream, answer.segment, answer.sample, answer.mark) == (4, 1, 30, 1)
    assert answer.requested


def test_who_does_not_read_is_sent_no_results(hosted: Hosted) -> None:
    hosted.receive(Open(1, 0, 0), Mark(1))
    hosted.answers()
    hosted.publish(final(epoch=1, resume=ResumePoint(1, 0, 1, 0, 0), requested=True))
    hosted.reads = False
    assert hosted.answers() == []
    hosted.reads = True
    assert len(hosted.answers()) == 1


def test_a_full_server_says_so_and_when_it_is_not_any_more(hosted: Hosted) -> None:
    hosted.receive(*(Open(number, 0, 0) for number in range(1, 5)))
    answers = hosted.answers()
    assert Full(4) in answers
    assert answers[-1] == Capacity(0)
    hosted.receive(Open(5, 0, 0))
    assert hosted.answers() == [Full(5), Capacity(0)], "it is told, though it was told before"
    hosted.receive(Release(5), Release(2))
    assert hosted.answers() == [Capacity(1)]


def test_a_link_that_counts_on_one_less_is_told_how_many_there_are(hosted: Hosted) -> None:
    """Also where as many have gone as have come, so that nothing has changed."""
    hosted.receive(Open(1, 0, 0))
    assert hosted.answers()[-1] == Capacity(2)
    hosted.receive(Release(1), Open(2, 0, 0))
    assert hosted.answers()[-1] == Capacity(2)


def test_a_server_that_leaves_takes_nobody_in(hosted: Hosted) -> None:
    hosted.receive(Open(1, 0, 0), takes_more=False)
    assert hosted.answers() == [Full(1), Capacity(3)]


def test_a_link_that_is_lost_leaves_every_slot_free(hosted: Hosted) -> None:
    hosted.receive(*(Open(number, 0, 0) for number in range(1, 4)))
    assert hosted.pool.held == 3
    hosted.hosting.close()
    assert hosted.pool.held == 0
    assert hosted.worker().epoch is None


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ([Audio(1, b"\0\0")], "for stream 1, which is not open"),
        ([Mark(1)], "for stream 1, which is not open"),
        ([Open(1, 0, 0), Open(1, 0, 0)], "opened stream 1 after 1"),
        ([Open(2, 0, 0), Release(2), Open(2, 0, 0)], "opened stream 2 after 2"),
        ([Open(1, MAX_ORIGIN + 1, 0)], "as none can be"),
        ([Open(1, 0, 3)], "as none can be"),
        ([Open(1, 0, 0), Audio(1, b"\0\0")], "more audio than it had credit for"),
        ([Open(1, 0, 0), *[Mark(1)] * (MARK_RECORDS + 1)], "more finals at once"),
        ([Hello(1, bytes(32))], "it sent a Hello"),
        ([Capacity(1)], "it sent a Capacity"),
    ],
)
def test_what_a_link_may_not_do(hosted: Hosted, frames: list[Frame], said: str) -> None:
    with pytest.raises(ChannelError, match=said):
        hosted.receive(*frames)


def test_not_a_sample_more_than_there_is_credit_for(hosted: Hosted) -> None:
    hosted.receive(Open(1, 0, 0))
    hosted.answers()
    hosted.receive(Audio(1, bytes(2 * ROOM)))
    with pytest.raises(ChannelError, match="credit"):
        hosted.receive(Audio(1, b"\0\0"))


def test_a_stream_that_cannot_go_on_closes_its_link_which_begins_it_elsewhere(
    hosted: Hosted,
) -> None:
    hosted.receive(Open(1, 0, 0))
    (stream,) = hosted.hosting.streams.values()
    epoch = stream.slot.measured.epoch
    hosted.publish(final("word", epoch=epoch, resume=ResumePoint(1, 0, 0, 0, 0)))
    hosted.plane.bytes(hosted.plane.layout.outbox_record(0, 0) + 20, 1)[0] ^= 1
    with pytest.raises(ChannelError, match="stream 1 cannot go on: a record"):
        hosted.answers()
    hosted.hosting.close()
    assert hosted.pool.held == 0
