"""A stream sends what it may, and believes only what follows from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from server.tiers.channel import ChannelError
from server.tiers.frames import Audio, Credit, Mark, Open, Result
from server.tiers.stream import MAX_AUDIO_SAMPLES, LinkStream
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.layout import OUTBOX_RECORDS
from shm.link_slot import LinkSlot
from shm.plane import Plane
from shm.records import Hypothesis, Word
from shm.slot_pool import SlotPool
from tests.server.tiers.examples import result


class Streamed:
    """A session, its client's side and its stream."""

    def __init__(self, plane: Plane, bells: Doorbells) -> None:
        self.pool = SlotPool(plane, bells, 0)
        slot = self.pool.claim()
        assert slot is not None
        self.slot: FrontendSlot = slot
        self._link = LinkSlot(plane, bells, slot.slot)
        self.stream = self.successor()

    def successor(self) -> LinkStream:
        session = self._link.session()
        assert session is not None
        return LinkStream(self._link, session)

    def say(self, count: int) -> None:
        self.slot.write_audio(np.arange(count, dtype=np.int16))

    def sent(self) -> list[Audio | Mark]:
        frames = []
        while (frame := self.stream.next_frame()) is not None:
            frames.append(frame)
        return frames

    def texts(self) -> list[str]:
        self.stream.publish()
        found = []
        while (record := self.slot.take()) is not None:
            found.append(" ".join(word.text for word in record.hypothesis.words))
        return found


@pytest.fixture
def streamed(plane: Plane, bells: Doorbells) -> Streamed:
    return Streamed(plane, bells)


def pcm(begin: int, end: int) -> bytes:
    return np.arange(begin, end, dtype="<i2").tobytes()


def test_nothing_is_sent_before_it_is_accepted(streamed: Streamed) -> None:
    streamed.say(10)
    streamed.slot.write_mark()
    assert streamed.stream.open(7, 2) == Open(7, 0, 2)
    assert streamed.sent() == []
    streamed.stream.credit(Credit(7, 100, 0))
    assert streamed.sent() == [Audio(7, pcm(0, 10)), Mark(7)]


def test_no_more_audio_is_sent_than_there_is_credit_for(streamed: Streamed) -> None:
    streamed.stream.open(1, 0)
    streamed.stream.credit(Credit(1, 4, 0))
    streamed.say(10)
    streamed.slot.write_mark()
    assert streamed.sent() == [Audio(1, pcm(0, 4))]
    streamed.stream.credit(Credit(1, 3, 2))
    assert streamed.sent() == [], "what was granted is not taken back, nor granted twice"
    streamed.stream.credit(Credit(1, 100, 4))
    assert streamed.sent() == [Audio(1, pcm(4, 10)), Mark(1)]


def test_marks_lie_between_the_audio(streamed: Streamed) -> None:
    streamed.stream.open(1, 0)
    streamed.stream.credit(Credit(1, 1000, 0))
    streamed.slot.write_mark()
    streamed.say(3)
    streamed.slot.write_mark()
    streamed.slot.write_mark()
    streamed.say(2)
    assert streamed.sent() == [
        Mark(1), Audio(1, pcm(0, 3)), Mark(1), Mark(1), Audio(1, pcm(0, 2)),
    ]  # fmt: skip


def test_long_audio_goes_in_pieces(plane: Plane, bells: Doorbells, streamed: Streamed) -> None:
    assert plane.geometry.ring_samples < MAX_AUDIO_SAMPLES, "a ring of this test is one frame"
    streamed.stream.open(1, 0)
    streamed.stream.credit(Credit(1, 10**6, 0))
    streamed.say(8000)
    (frame,) = streamed.sent()
    assert isinstance(frame, Audio)
    assert len(frame.pcm) == 16_000


def test_results_reach_the_client_in_its_own_numbers(streamed: Streamed) -> None:
    streamed.stream.open(1, 0)
    streamed.stream.credit(Credit(1, 1000, 0))
    streamed.say(50)
    streamed.slot.write_mark()
    streamed.sent()
    streamed.stream.take(result(text="he", is_final=False, partial=20))
    streamed.stream.take(result(text="hello", segment=1, sample=50, mark=1, requested=True))
    assert streamed.texts() == ["he", "hello"]
    assert streamed.slot.marks_pending == 0
    assert streamed.stream.has_settled


def test_a_replay_begins_at_the_last_final_and_says_so(streamed: Streamed) -> None:
    """In the same process, or in its successor."""
    streamed.stream.open(1, 0)
    streamed.stream.credit(Credit(1, 1000, 0))
    streamed.say(50)
    streamed.sent()
    streamed.stream.take(result(text="one", segment=1, sample=30))
    streamed.stream.take(result(text="tw", is_final=False, segment=1, sample=30, partial=45))
    assert streamed.texts() == ["one", "tw"]
    streamed.stream.take(result(text="lost", segment=2, sample=50))
    for successor in (streamed.stream, streamed.successor()):
        streamed.stream = successor
        assert successor.open(2, 1) == Open(2, 30, 1)
        successor.credit(Credit(2, 1000, 0))
        assert streamed.sent() == [Audio(2, pcm(30, 50))]
        successor.take(result(text="tw", is_final=False, partial=15))
        assert streamed.texts() == [], "it has been sent"
    successor.take(result(text="two", segment=1, sample=20))
    assert streamed.texts() == ["two"]


@pytest.mark.parametrize(
    "wrong",
    [
        result(segment=0, sample=10),
        result(segment=2, sample=10),
        result(segment=1, sample=51),
        result(segment=1, sample=10, mark=1),
        result(segment=1, sample=10, mark=2, requested=True),
        result(segment=1, sample=10, requested=True),
        result(is_final=False, partial=51),
        result(is_final=False, partial=5, segment=1),
        result(is_final=False, partial=5, sample=5),
        result(is_final=False, partial=5, mark=1),
        result(is_final=False, partial=5, mark=1, requested=True),
        result(segment=2**64 - 1, sample=2**64 - 1),
    ],
)
def test_what_does_not_follow_is_not_believed(streamed: Streamed, wrong: Result) -> None:
    streamed.stream.open(1, 0)
    streamed.stream.credit(Credit(1, 1000, 0))
    streamed.say(50)
    streamed.slot.write_mark()
    streamed.sent()
    with pytest.raises(ChannelError, match="do not follow"):
        streamed.stream.take(wrong)
    assert streamed.texts() == []


def test_results_go_forward(streamed: Streamed) -> None:
    streamed.stream.open(1, 0)
    streamed.stream.credit(Credit(1, 1000, 0))
    streamed.say(50)
    streamed.sent()
    streamed.stream.take(result(segment=1, sample=30))
    with pytest.raises(ChannelError, match="do not follow"):
        streamed.stream.take(result(segment=2, sample=29))
    with pytest.raises(ChannelError, match="has computed audio that was not sent"):
        streamed.stream.credit(Credit(1, 1000, 51))


def test_a_result_that_fits_no_outbox_is_not_believed(streamed: Streamed) -> None:
    streamed.stream.open(1, 0)
    words = tuple(Word("a" * 60_000, 0.5, 0, 1, stable=True) for _ in range(2))
    huge = replace(result(segment=1), hypothesis=Hypothesis(words, 0.5, is_final=True))
    with pytest.raises(ChannelError, match="do not follow"):
        streamed.stream.take(huge)


def test_results_wait_for_room_in_the_outbox(streamed: Streamed) -> None:
    streamed.stream.open(1, 0)
    streamed.stream.credit(Credit(1, 1000, 0))
    streamed.say(50)
    streamed.sent()
    for number in range(OUTBOX_RECORDS + 3):
        streamed.stream.take(result(text=f"w{number}", segment=number + 1, sample=number))
    assert streamed.texts() == [f"w{number}" for number in range(OUTBOX_RECORDS)]
    assert streamed.texts() == [f"w{OUTBOX_RECORDS + number}" for number in range(3)]


def test_nothing_is_published_for_a_client_that_has_gone(streamed: Streamed) -> None:
    streamed.stream.open(1, 0)
    streamed.stream.credit(Credit(1, 1000, 0))
    streamed.say(50)
    streamed.stream.take(result(segment=1))
    streamed.pool.release(streamed.slot)
    assert streamed.sent() == []
    again = streamed.pool.claim()
    assert again is not None
    streamed.stream.publish()
    assert again.take() is None
