"""Sessions whose frontend dies, at whatever store, and that another one goes on with."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from server.admission import Admission, FrontendFigures
from server.adoption import Client, Position, position_of
from server.api_keys import ApiKeys
from server.doorway import Doorway
from server.frontend_settings import ClientSettings
from server.handshake import Parameters, max_message_bytes
from server.keeping import Stream
from server.moving import Moving
from shm import layout
from shm.decoder_slot import DecoderSlot
from shm.doorbells import Doorbells
from shm.frontend_slot import NewestMark
from shm.layout import Geometry
from shm.outbox import ResumePoint
from shm.plane import Plane
from shm.records import Hypothesis
from shm.slot_pool import SlotPool
from shm.wishes import Wishes
from tests.server.test_keeping import Holder
from tests.server.wav_files import fmt_chunk, riff
from tests.shm.planes import final
from tests.shm.watched_plane import CrashError, Fuse, WatchedPlane

MODEL_RATE_HZ: Final = 16_000
GEOMETRY: Final = Geometry(2, 1, 1, 1, MODEL_RATE_HZ, 16, 640, 29)
KEEP_S: Final = 30
DONE: Final = "done"


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


class House:
    """A plane, the doorway of the frontend that serves it now, and an engine that answers marks."""

    def __init__(self) -> None:
        self.plane = Plane.create(GEOMETRY)
        self.bells = Doorbells.create(GEOMETRY)
        self.fuse = Fuse()
        self.open()

    def open(self) -> int:
        """A frontend starts, its predecessor is gone; how many sessions it goes on with."""
        plane = WatchedPlane(self.plane, self.fuse)
        admission = Admission(plane, SlotPool(plane, self.bells, 0), FrontendFigures(self.plane, 0))
        settings = ClientSettings(keep_session_s=KEEP_S)
        moving = Moving(admission, Wishes(self.plane, self.bells, 0), MODEL_RATE_HZ)
        self.doorway = Doorway(admission, MODEL_RATE_HZ, ApiKeys(), settings, moving)
        return self.doorway.find(0.0)

    def enter(self, target: str) -> Stream:
        opening = self.doorway.read(target, None)
        return self.doorway.admit(opening, Holder(), "192.0.2.1", 0.0)

    def answer(self, stream: Stream) -> None:
        """A final for each mark that has none; its word is the mark's number in the session."""
        slot = stream.slot.measured
        decoder = DecoderSlot(self.plane, self.bells, slot.slot)
        line = self.plane.line(self.plane.layout.frontend_line(slot.slot))
        session = decoder.session()
        assert session is not None
        mark = decoder.resume_point(session).mark
        head = line[layout.SLOT_MARK_HEAD]
        for number in range(mark + 1, head + 1):
            if decoder.has_room:
                resume = ResumePoint(
                    number, line[layout.SLOT_AUDIO_HEAD], number, 0, line[layout.SLOT_AUDIO_HEAD]
                )
                decoder.publish(
                    final(str(number - slot.base_mark), epoch=slot.epoch, resume=resume,
                          requested=True)
                )  # fmt: skip

    def audio(self, slot: int = 0) -> NDArray[np.int16]:
        """All that has been written to the slot; it has not gone round its ring."""
        line = self.plane.line(self.plane.layout.frontend_line(slot))
        return self.plane.audio_ring(slot)[: line[layout.SLOT_AUDIO_HEAD]]

    def close(self) -> None:
        self.plane.close()
        self.bells.close()


@dataclass
class Speaker:
    """A client that comes back, as docs/CLIENTS.md says: it sends what the server has not got."""

    house: House
    rate_hz: int
    items: list[bytes | str]
    stream: Stream | None = None

    def __post_init__(self) -> None:
        self.finals: list[str] = []
        self.last_id: str | None = None
        self.token = "new"

    @property
    def query(self) -> str:
        target = f"/?downsample=True&sampleRate={self.rate_hz}&session={self.token}"
        return target + (f"&lastMsgId={self.last_id}" if self.last_id else "")

    def connect(self) -> None:
        self.stream = self.house.enter(self.query)
        (ready, *rest) = map(json.loads, self.stream.session.outgoing())
        self.token = ready["session"]
        self._hear(rest)
        self._todo = self._after(ready["audioBytes"], ready["dones"])

    def step(self) -> bool:
        """One message, and what comes; False when there is nothing more to send."""
        assert self.stream is not None
        session = self.stream.session
        if self._todo:
            item = self._todo.pop(0)
            session.receive_text(item) if isinstance(item, str) else session.receive_audio(item)
        self.house.answer(self.stream)
        session.pump()
        self._hear(map(json.loads, session.outgoing()))
        return bool(self._todo)

    def _hear(self, messages: Any) -> None:
        for message in messages:
            self.last_id = message["msgId"]
            self.finals.append(message["text"])

    def _after(self, audio_bytes: int, dones: int) -> list[bytes | str]:
        """What of `items` follows so many bytes and dones."""
        left: list[bytes | str] = []
        for item in self.items:
            if isinstance(item, str):
                if dones == 0:
                    left.append(item)
                dones -= dones > 0
            else:
                skipped = min(audio_bytes, len(item))
                audio_bytes -= skipped
                if skipped < len(item):
                    left.append(item[skipped:])
        return left


def stream_of(rng: random.Random, rate_hz: int, *, header: bool) -> list[bytes | str]:
    audio = np.random.default_rng(rng.randrange(1 << 30))
    pcm = (8000 * np.sin(np.cumsum(audio.uniform(0, 0.4, 2 * rate_hz)))).astype("<i2").tobytes()
    if header:
        pcm = riff(fmt_chunk(rate_hz=rate_hz)) + pcm
    items: list[bytes | str] = []
    at = 0
    while at < len(pcm):
        size = 2 * rng.randint(1, max_message_bytes(rate_hz) // 2)
        items.append(pcm[at : at + size])
        at += size
        if at > 200 and rng.random() < 0.1:
            items += [DONE] * rng.choice([1, 1, 2])
    return [*items, DONE]


def speak(seed: int, rate_hz: int, crashes: list[int], *, header: bool) -> tuple[House, Speaker]:
    """The stream of ``seed``; its frontend dies after so many stores, each time."""
    rng = random.Random(seed)
    house = House()
    speaker = Speaker(house, rate_hz, stream_of(rng, rate_hz, header=header))
    for stores in [*crashes, None]:
        house.fuse.stores = stores
        try:
            speaker.connect()
            while speaker.step():
                pass
        except CrashError:
            house.fuse.stores = None
            was_let_in = speaker.token != "new"
            assert house.open() >= was_let_in
            if not was_let_in:
                house.doorway.close()  # its client never got to know the token
            speaker.stream = None
        else:
            break
    return house, speaker


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 44_100])
@given(
    seed=st.integers(0, 10_000),
    crashes=st.lists(st.integers(0, 150), min_size=1, max_size=4),
    header=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_whatever_store_is_its_last_nothing_is_lost_or_doubled(
    rate_hz: int, seed: int, crashes: list[int], *, header: bool
) -> None:
    calm, undisturbed = speak(seed, rate_hz, [], header=header)
    house, speaker = speak(seed, rate_hz, crashes, header=header)
    try:
        assert speaker.finals == undisturbed.finals
        slot = speaker.stream.slot.measured  # type: ignore[union-attr]
        heard = house.audio(slot.slot)[slot.base_sample :]
        expected = calm.audio()
        # Each mark is as far from where it was as rounding the samples before it.
        assert abs(heard.shape[0] - expected.shape[0]) <= len(crashes)
        if rate_hz == MODEL_RATE_HZ:
            np.testing.assert_array_equal(heard, expected)
        elif heard.shape == expected.shape:
            assert np.abs(heard.astype(int) - expected).max() <= 16
    finally:
        calm.close()
        house.close()


@pytest.mark.parametrize("times", [1, 3])
def test_a_client_that_had_closed_comes_back_to_its_last_final(house: House, times: int) -> None:
    """Once it is there it may close again, and nothing is said for that."""
    speaker = Speaker(house, 16_000, [bytes(2000), DONE, bytes(2000)])
    speaker.connect()
    while speaker.step():
        pass
    for _ in range(times):
        assert speaker.stream is not None
        speaker.stream.session.end()
        assert house.open() == 1
        speaker.connect()
        assert speaker.stream.session.received_dones == 1
        assert speaker.stream.session.received_bytes == 4000
        assert not speaker.step()
    speaker.stream.session.end()
    speaker.step()
    assert speaker.stream.session.finished
    assert speaker.finals == [str(number) for number in range(1, times + 3)]


def test_what_answers_a_close_without_words_is_not_said(house: House) -> None:
    stream = house.enter("/?session=new")
    stream.session.receive_audio(bytes(2000))
    stream.session.end()
    assert house.open() == 1
    (found,) = house.doorway._keeping.alone
    decoder = DecoderSlot(house.plane, house.bells, found.slot.slot)
    resume = ResumePoint(1, 2000, 1, 1, 2000)
    silent = replace(final("x", epoch=found.slot.epoch, resume=resume, requested=True),
                     hypothesis=Hypothesis((), 0.0, is_final=True))  # fmt: skip
    decoder.publish(silent)
    found.session.pump()
    assert found.session.outgoing() == []
    assert found.session.resumable
    assert not found.session.finished


def test_a_session_that_ends_with_its_connection_ends_with_its_frontend(house: House) -> None:
    house.enter("/").session.receive_audio(bytes(2000))
    assert house.open() == 0


def test_a_session_without_any_audio_goes_on(house: House) -> None:
    speaker = Speaker(house, 8000, [bytes(2000), DONE])
    speaker.connect()
    assert house.open() == 1
    speaker.connect()
    while speaker.step():
        pass
    assert speaker.finals == ["1"]


def test_who_does_not_come_back_is_given_up(house: House) -> None:
    house.enter("/?session=new").session.receive_audio(bytes(2000))
    assert house.open() == 1
    house.doorway.look_at_the_clock(KEEP_S - 1.0)
    assert len(list(house.doorway._keeping.alone)) == 1
    house.doorway.look_at_the_clock(KEEP_S + 1.0)
    assert list(house.doorway._keeping.alone) == []


@pytest.mark.parametrize("changed", ["sheet", "said"])
def test_what_was_changed_in_memory_costs_its_session_alone(house: House, changed: str) -> None:
    hurt, whole = (house.enter("/?session=new") for _ in range(2))
    for stream in (hurt, whole):
        stream.session.receive_audio(bytes(2000))
        stream.session.receive_text("hello?")
    offset = getattr(house.plane.layout, changed)(hurt.slot.slot)
    house.plane.bytes(offset + 30, 1)[0] ^= 1
    assert house.open() == 1
    (found,) = house.doorway._keeping.alone
    assert found.slot.slot == whole.slot.slot


def test_who_a_client_is_fits_its_sheet() -> None:
    address = "fe80:1234:1234:1234:1234:1234:1234:1234%enp0s31f6"
    client = Client("t" * 32, Parameters(48_000, text2int=True), address, "i" * 36)
    assert Client.from_bytes(client.to_bytes()) == client
    assert len(client.to_bytes()) < 400


@dataclass
class LeftOpen:
    audio_head: int
    base_sample: int = 1000
    header_bytes: int = 0
    mark: NewestMark | None = None
    marks_set: int = 0

    def newest_mark(self) -> NewestMark:
        assert self.mark is not None
        return self.mark


@pytest.mark.parametrize(
    ("slot", "position"),
    [
        (LeftOpen(1000), Position(0, 0, 0)),
        (LeftOpen(1000, mark=NewestMark(1000, 0, 1), marks_set=1), None),
        (LeftOpen(1500), Position(1000, 0, 0)),
        (LeftOpen(1500, header_bytes=44), Position(1044, 0, 0)),
        (LeftOpen(1500, 1000, 44, NewestMark(1400, 844, 3), 3), Position(1044, 3, 0)),
        (LeftOpen(1500, 1000, 44, NewestMark(1000, 0, 1), 1), Position(1044, 1, 0)),
        (LeftOpen(1500, 1000, 44, NewestMark(1500, 1044, 2), 3), Position(1044, 2, 0)),
    ],
)
def test_where_a_stream_at_the_models_rate_goes_on(
    slot: LeftOpen, position: Position | None
) -> None:
    assert position_of(slot, MODEL_RATE_HZ, MODEL_RATE_HZ) == position


def test_what_a_resampler_heard_before_is_asked_for_again() -> None:
    position = position_of(LeftOpen(1000 + 16_000), 8000, MODEL_RATE_HZ)
    assert position == Position(2 * (8000 - 480), 0, 960)
    assert position_of(LeftOpen(1100), 8000, MODEL_RATE_HZ) == Position(0, 0, 100)
    assert Position(0, 0, 100).has_begun
    assert not Position(0, 0, 0).has_begun
