"""The promises of the protocol that a session keeps, with a slot that a test answers for."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.adoption import Position
from server.handshake import Parameters
from server.session import GOING_AWAY, INVALID_DATA, MESSAGE_TOO_BIG, NORMAL_CLOSURE, Session
from shm.layout import SAID_BYTES
from tests.server.fakes import MARK, FakeSlot
from tests.server.wav_files import fmt_chunk, riff

MODEL_RATE_HZ = 16_000
HEADER = riff(fmt_chunk())


def session_on(slot: FakeSlot, rate_hz: int = MODEL_RATE_HZ, *, text2int: bool = False) -> Session:
    """A session whose ``ready`` has been sent."""
    session = Session(slot, Parameters(rate_hz, text2int), MODEL_RATE_HZ)
    session.outgoing()
    return session


def pcm(*samples: int) -> bytes:
    return np.array(samples, "<i2").tobytes()


def said(session: Session) -> list[dict[str, Any]]:
    session.pump()
    return [json.loads(message) for message in session.outgoing()]


def kinds(session: Session) -> list[Any]:
    """What is sent next: texts of hypotheses, and the status of other messages."""
    return [message.get("status", message.get("text")) for message in said(session)]


# -- lines 4 and 5: ready first, unique identifiers


def test_ready_comes_first_and_once() -> None:
    slot = FakeSlot()
    session = Session(slot, Parameters(), MODEL_RATE_HZ)
    slot.partial("early")
    assert kinds(session) == ["ready", "early"]
    assert kinds(session) == []


def test_every_message_has_an_identifier_of_its_own() -> None:
    slot = FakeSlot()
    session = Session(slot, Parameters(), MODEL_RATE_HZ)
    for _ in range(3):
        session.receive_text("hello?")
        session.receive_text("done")
        slot.partial("a")
        slot.answer("a")
    session.receive_audio(bytes(3))
    slot.answer("a")
    messages = said(session)
    assert len(messages) == 1 + 3 + 6 + 2
    assert len({message["msgId"] for message in messages}) == len(messages)


# -- lines 7 to 9: audio, and what is none


@pytest.mark.parametrize(
    ("rate_hz", "limit_bytes"), [(8000, 2048), (16_000, 4096), (11_025, 2822), (48_000, 12_288)]
)
def test_too_large_a_message_ends_the_stream_after_its_final(
    rate_hz: int, limit_bytes: int
) -> None:
    slot = FakeSlot()
    session = session_on(slot, rate_hz)
    session.receive_audio(bytes(limit_bytes))
    assert session.closing is None
    session.receive_audio(bytes(limit_bytes + 2))
    assert slot.history[-1] == MARK
    assert (kinds(session), session.finished) == ([], False)
    slot.endpoint("one")
    slot.answer("two")
    messages = said(session)
    assert [message.get("text") for message in messages] == ["one", "two", None]
    assert messages[-1]["status"] == "rate_limited"
    assert messages[-1]["info"] == f"The message chunk size must not exceed {limit_bytes}"
    assert session.finished
    assert session.closing is not None
    assert session.closing.code == MESSAGE_TOO_BIG


def test_a_message_too_large_to_be_read_is_answered_alike() -> None:
    slot = FakeSlot()
    session = session_on(slot, 8000)
    session.receive_oversized()
    slot.answer("one")
    one, notice = said(session)
    assert one["text"] == "one"
    assert notice["info"] == "The message chunk size must not exceed 2048"
    assert session.closing is not None
    assert session.closing.code == MESSAGE_TOO_BIG


def test_half_a_sample_ends_the_stream_after_its_final() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(pcm(1, 2, 3))
    session.receive_audio(bytes(333))
    assert slot.history == [1, 2, 3, MARK]
    slot.answer("one")
    one, notice = said(session)
    assert one["text"] == "one"
    assert notice["status"] == "error"
    assert "333 bytes" in notice["info"]
    assert "even number" in notice["info"]
    assert session.closing is not None
    assert session.closing.code == INVALID_DATA


def test_a_text_message_that_is_no_text_ends_the_stream_after_its_final() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_undecodable_text()
    slot.answer("one")
    assert kinds(session) == ["one", "error"]
    assert session.closing is not None
    assert session.closing.code == INVALID_DATA


@pytest.mark.parametrize("text", ["", "Done", "done ", '{"done": true}', "\ud800"])
def test_an_unknown_text_message_is_told_and_the_stream_goes_on(text: str) -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_text(text)
    (answer,) = said(session)
    assert answer["status"] == "error"
    assert '"done"' in answer["info"]
    session.receive_audio(pcm(5))
    assert slot.history == [5]
    assert session.closing is None


def test_an_empty_message_of_audio_is_no_mistake() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(b"")
    assert slot.history == []
    assert session.closing is None


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 44_100])
def test_audio_is_converted_and_complete_at_a_mark(rate_hz: int) -> None:
    """What the resampler still holds belongs to the utterance that ends."""
    slot = FakeSlot()
    session = session_on(slot, rate_hz)
    for _ in range(2):
        for _ in range(10):
            session.receive_audio(bytes(2000))
        session.receive_text("done")
    expected = 10 * 1000 * MODEL_RATE_HZ / rate_hz
    first_mark = slot.history.index(MARK)
    assert first_mark == pytest.approx(expected, abs=1)
    assert len(slot.audio) - first_mark == pytest.approx(expected, abs=1)


# -- line 10: a WAV header


@pytest.mark.parametrize("step", [2, 6, 44, 50, 4096])
def test_a_wav_header_is_skipped_however_it_is_cut(step: int) -> None:
    slot = FakeSlot()
    session = session_on(slot)
    data = HEADER + pcm(1, 2, 3, 4)
    for start in range(0, len(data), step):
        session.receive_audio(data[start : start + step])
    assert slot.history == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("header", "right"),
    [
        (riff(fmt_chunk(8000)), "?downsample=True&sampleRate=8000"),
        (riff(fmt_chunk(channels=2)), "16-bit mono PCM"),
        (riff(fmt_chunk(bits=8)), "16-bit mono PCM"),
    ],
)
def test_a_wav_header_of_other_audio_ends_the_stream(header: bytes, right: str) -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(header + pcm(1))
    assert slot.history == [MARK]
    slot.answer()
    (notice,) = said(session)
    assert notice["status"] == "error"
    assert right in notice["info"]
    assert session.closing is not None
    assert session.closing.code == INVALID_DATA


def test_a_wav_header_that_stops_short_is_no_audio() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(HEADER[:30])
    session.end()
    slot.answer()
    session.pump()
    assert slot.history == [MARK]
    assert session.finished


def test_audio_that_begins_like_a_header_is_audio() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(b"RIFF")
    assert slot.history == []
    session.receive_audio(pcm(1, 2, 3, 4))
    assert slot.audio == [*np.frombuffer(b"RIFF", "<i2"), 1, 2, 3, 4]


def test_audio_that_begins_like_a_header_and_stops_is_audio() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(b"RIFF")
    session.receive_text("done")
    assert slot.history == [*np.frombuffer(b"RIFF", "<i2"), MARK]


# -- lines 13 to 17: results


def test_results_are_sent_in_order_as_they_are() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    slot.partial("hello")
    slot.partial("hello world")
    slot.endpoint("hello world")
    messages = said(session)
    assert [(m["text"], m["isFinal"]) for m in messages] == [
        ("hello", False),
        ("hello world", False),
        ("hello world", True),
    ]
    assert [word["start"] for word in messages[-1]["words"]] == [0, 100]
    assert (session.finals, session.partials) == (1, 2)


def test_nothing_is_sent_for_silence() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    slot.partial("")
    slot.endpoint("")
    assert kinds(session) == []
    assert (session.finals, session.partials) == (0, 0)


def test_a_partial_that_no_words_came_of_is_taken_back() -> None:
    """By a partial: a client may wait for the final without words that answers its `done`."""
    slot = FakeSlot()
    session = session_on(slot)
    for partial in ("hello", "", "a"):
        slot.partial(partial)
        slot.endpoint("")
        slot.endpoint("")
    messages = said(session)
    assert [(message["text"], message["isFinal"]) for message in messages] == [
        ("hello", False),
        ("", False),
        ("a", False),
        ("", False),
    ]
    assert session.finals == 0


@pytest.mark.parametrize(("partial", "sent"), [("one", ["one", ""]), ("", [])])
def test_the_end_takes_a_partial_back_as_well(partial: str, sent: list[str]) -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(pcm(1))
    slot.partial(partial)
    session.end(1000, "")
    slot.answer("")
    assert kinds(session) == sent
    assert session.finished


def test_a_done_takes_a_partial_back_by_its_final() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_text("done")
    slot.partial("hello")
    slot.answer("")
    slot.endpoint("")
    assert [(m["text"], m["isFinal"]) for m in said(session)] == [("hello", False), ("", True)]


def test_every_done_is_answered_also_without_words() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    for _ in range(3):
        session.receive_text("done")
    slot.endpoint("")
    slot.answer("one")
    slot.answer("")
    slot.endpoint("two")
    slot.answer("")
    messages = said(session)
    assert [message["text"] for message in messages] == ["one", "", "two", ""]
    assert all(message["isFinal"] for message in messages)
    assert messages[1]["words"] == []
    assert not session.finished


@pytest.mark.parametrize(("last", "sent"), [("", ["one", ""]), ("two", ["one", "", "two"])])
def test_an_end_waits_for_all_that_is_outstanding(last: str, sent: list[str]) -> None:
    """Two `done`s and the end are three finals; the end's own is sent if it holds words."""
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(pcm(1))
    session.receive_text("done")
    session.receive_text("done")
    session.end()
    answered: list[str] = []
    for text in ("one", "", last):
        assert not session.finished
        slot.answer(text)
        answered += kinds(session)
    assert answered == sent
    assert session.finals == len(sent)
    assert session.finished
    assert session.closing is not None
    assert (session.closing.code, session.closing.notice) == (NORMAL_CLOSURE, None)


def test_the_servers_end_has_its_own_code() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.end(GOING_AWAY, "the server is stopping")
    slot.answer("one")
    assert kinds(session) == ["one"]
    assert session.closing is not None
    assert (session.closing.code, session.closing.reason) == (GOING_AWAY, "the server is stopping")


def test_winding_down_waits_for_the_utterance() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(pcm(1, 2))
    session.wind_down(GOING_AWAY, "the server is stopping")
    slot.partial("one")
    assert kinds(session) == ["one"]
    assert session.closing is None, "it has not ended yet"
    session.receive_audio(pcm(3))
    slot.endpoint("one two")
    assert kinds(session) == ["one two"]
    assert session.closing is not None
    slot.answer("")
    assert kinds(session) == []
    assert session.finished
    assert (session.closing.code, session.closing.reason) == (GOING_AWAY, "the server is stopping")


@pytest.mark.parametrize("spoken", [False, True])
def test_between_utterances_there_is_nothing_to_wait_for(spoken: bool) -> None:
    slot = FakeSlot()
    session = session_on(slot)
    if spoken:
        session.receive_audio(pcm(1, 2))
        slot.endpoint("one")
        assert kinds(session) == ["one"]
    session.wind_down(GOING_AWAY, "the server is stopping")
    assert session.closing is not None


def test_the_end_may_come_before_the_utterance_s() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(pcm(1, 2))
    session.wind_down(GOING_AWAY, "the server is stopping")
    session.end(GOING_AWAY, "the server is stopping")
    slot.answer("one")
    assert kinds(session) == ["one"]
    assert session.finished


def test_numbers_are_digits_where_asked() -> None:
    as_said = ["seventy two", "room seventy two"]
    for text2int, expected in ((True, ["72", "room 72"]), (False, as_said)):
        slot = FakeSlot()
        session = session_on(slot, text2int=text2int)
        slot.partial("seventy two")
        slot.endpoint("room seventy two")
        assert kinds(session) == expected


def test_a_number_of_several_words_lasts_as_long_as_they_did() -> None:
    slot = FakeSlot()
    session = session_on(slot, text2int=True)
    slot.endpoint("room seventy two")
    (final,) = said(session)
    assert [(word["text"], word["start"], word["end"]) for word in final["words"]] == [
        ("room", 0, 80),
        ("72", 100, 280),
    ]


# -- after the end


def test_nothing_is_taken_once_the_stream_ends() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(pcm(1))
    session.end()
    session.receive_audio(pcm(2))
    session.receive_audio(bytes(5000))
    session.receive_audio(bytes(3))
    session.receive_text("done")
    session.receive_text("what?")
    session.receive_undecodable_text()
    session.receive_oversized()
    session.end(GOING_AWAY)
    assert slot.history == [1, MARK]
    slot.answer("one")
    assert kinds(session) == ["one"]
    assert session.closing is not None
    assert session.closing.code == NORMAL_CLOSURE


def test_the_first_mistake_decides_how_it_ends() -> None:
    slot = FakeSlot()
    session = session_on(slot)
    session.receive_audio(bytes(5000))
    session.receive_audio(bytes(3))
    session.end()
    slot.answer()
    assert kinds(session) == ["rate_limited"]
    assert session.closing is not None
    assert session.closing.code == MESSAGE_TOO_BIG


# -- back-pressure


def test_what_does_not_fit_waits_in_order() -> None:
    slot = FakeSlot(ring_samples=4, marks=1)
    session = session_on(slot)
    session.receive_audio(pcm(1, 2, 3))
    assert not session.blocked
    session.receive_audio(pcm(4, 5))
    assert session.blocked
    session.receive_text("done")
    session.receive_audio(pcm(6))
    session.receive_text("done")
    assert slot.history == [1, 2, 3], "the 6 would fit, and waits behind the 4"
    slot.endpoint("a")
    assert kinds(session) == ["a"]
    assert slot.history == [1, 2, 3, 4, 5, MARK, 6], "there is room for one mark alone"
    assert session.blocked
    slot.answer("b")
    session.pump()
    assert slot.history == [1, 2, 3, 4, 5, MARK, 6, MARK]
    assert not session.blocked


def test_an_end_waits_behind_the_backlog() -> None:
    slot = FakeSlot(ring_samples=2)
    session = session_on(slot)
    session.receive_audio(pcm(1, 2))
    session.receive_audio(pcm(3, 4))
    session.end()
    assert slot.history == [1, 2]
    slot.endpoint("")
    session.pump()
    assert slot.history == [1, 2, 3, 4, MARK]
    slot.answer("all")
    assert kinds(session) == ["all"]
    assert session.finished


@given(
    steps=st.lists(st.one_of(st.integers(0, 12), st.just("done"), st.just("room"))),
    ring_samples=st.integers(12, 30),
    marks=st.integers(1, 3),
)
def test_nothing_is_lost_or_swapped_however_the_slot_fills(
    steps: list[int | str], ring_samples: int, marks: int
) -> None:
    slot = FakeSlot(ring_samples, marks)
    session = session_on(slot)
    expected: list[int | str] = []
    for number, step in enumerate(steps, start=1):
        if isinstance(step, int):
            session.receive_audio(pcm(*[number] * step))
            expected += [number] * step
        elif step == "done":
            session.receive_text("done")
            expected.append(MARK)
        else:
            let_go(slot)
            session.pump()
        assert slot.history == expected[: len(slot.history)]
        assert session.blocked == (len(slot.history) < len(expected))
    session.end()
    finish(session, slot)
    assert slot.history == [*expected, MARK]


def let_go(slot: FakeSlot) -> None:
    """The engine settles what it has."""
    if slot.unanswered:
        slot.answer("word")
    else:
        slot.endpoint("word")


def finish(session: Session, slot: FakeSlot) -> None:
    """The engine settles everything, and there is an end to it."""
    for _ in range(10_000):
        if session.finished:
            return
        let_go(slot)
        session.pump()
    raise AssertionError("the session does not finish")


# -- anything at all

MESSAGES = st.one_of(
    st.tuples(st.just("audio"), st.binary(max_size=60)),
    st.tuples(st.just("audio"), st.integers(0, 5000).map(bytes)),
    st.tuples(st.just("audio"), st.sampled_from([HEADER, HEADER[:20], b"RIFF", b"WAVE"])),
    st.tuples(st.just("text"), st.one_of(st.text(), st.just("done"))),
    st.tuples(st.sampled_from(["undecodable", "oversized", "end"]), st.none()),
    st.tuples(st.sampled_from(["partial", "endpoint", "answer"]), st.sampled_from(["", "ten men"])),
)


@given(
    steps=st.lists(MESSAGES),
    rate_hz=st.sampled_from([8000, 11_025, 16_000]),
    text2int=st.booleans(),
)
def test_any_sequence_of_messages_ends_cleanly(
    steps: list[tuple[str, Any]], rate_hz: int, text2int: bool
) -> None:
    slot = FakeSlot()
    session = Session(slot, Parameters(rate_hz, text2int), MODEL_RATE_HZ)
    dones, messages = 0, []
    for kind, value in steps:
        was_open = session.closing is None
        if kind == "audio":
            session.receive_audio(value)
        elif kind == "text":
            session.receive_text(value)
            dones += was_open and value == "done"
        elif kind == "undecodable":
            session.receive_undecodable_text()
        elif kind == "oversized":
            session.receive_oversized()
        elif kind == "end":
            session.end()
        elif kind == "answer":
            if slot.unanswered:
                slot.answer(value)
        else:
            (slot.partial if kind == "partial" else slot.endpoint)(value)
        messages += said(session)
    session.end()
    finish(session, slot)
    messages += said(session)
    assert session.closing is not None
    assert session.finished
    assert not session.blocked
    assert slot.history.count(MARK) == dones + 1
    assert messages[0]["status"] == "ready"
    assert len({message["msgId"] for message in messages}) == len(messages)
    hypotheses = [m for m in messages if "text" in m]
    for before, message in pairwise([{"words": []}, *hypotheses]):
        takes_back = before["words"] and not before["isFinal"]
        assert message["words"] or message["isFinal"] or takes_back


# -- a client that comes back


def kept_session(slot: FakeSlot) -> Session:
    return Session(slot, Parameters(MODEL_RATE_HZ), MODEL_RATE_HZ, "token")


def test_ready_says_what_was_received() -> None:
    slot = FakeSlot()
    session = kept_session(slot)
    assert [(m["audioBytes"], m["dones"]) for m in said(session)] == [(0, 0)]
    session.receive_audio(pcm(1, 2, 3))
    session.receive_text("done")
    session.receive_text("hello?")
    session.receive_audio(pcm(4))
    said(session)
    session.come_back(None)
    ready = said(session)[0]
    assert (ready["session"], ready["audioBytes"], ready["dones"]) == ("token", 8, 1)
    assert slot.history == [1, 2, 3, MARK, 4]


def test_what_may_not_have_arrived_is_said_again_as_it_was() -> None:
    slot = FakeSlot()
    session = kept_session(slot)
    slot.partial("one")
    slot.endpoint("one two")
    slot.partial("three")
    before = said(session)[1:]
    session.come_back(before[0]["msgId"])
    assert said(session)[1:] == before[1:]
    session.come_back(None)
    assert said(session)[1:] == before[1:], "a partial is of no use behind its final"
    session.come_back(before[2]["msgId"])
    assert said(session)[1:] == []


def test_results_that_came_while_nobody_was_there_are_said_once() -> None:
    slot = FakeSlot()
    session = kept_session(slot)
    said(session)
    slot.endpoint("alone")
    session.pump()
    session.come_back(None)
    assert kinds(session) == ["ready", "alone"]
    assert kinds(session) == []


def test_what_arrived_is_not_said_again() -> None:
    slot = FakeSlot()
    session = kept_session(slot)
    for number in range(50):
        slot.endpoint(str(number))
    said(session)
    session.arrived(session.said)
    session.come_back(None)
    assert kinds(session)[1:] == [str(number) for number in range(18, 50)]


def test_a_session_that_ends_is_not_come_back_to() -> None:
    session = kept_session(FakeSlot())
    assert session.resumable
    session.end()
    assert not session.resumable
    assert not session_on(FakeSlot()).resumable


def test_a_client_that_takes_nothing_in_cannot_come_back() -> None:
    session = kept_session(FakeSlot())
    count = 0
    while session.resumable:
        session.receive_text("hello?")
        count += 1
        assert 50 * count < SAID_BYTES, "what waits is bounded"
    assert 200 * count > SAID_BYTES
    session.arrived(session.said)
    assert not session.resumable, "what was dropped did not arrive"


# -- a session that another process began


def test_a_session_goes_on_where_another_process_left_it() -> None:
    slot = FakeSlot()
    begun = kept_session(slot)
    ready = said(begun)[0]
    begun.receive_audio(HEADER + pcm(1, 2, 3))
    slot.endpoint("before")
    (before,) = said(begun)
    assert slot.header_bytes == len(HEADER)
    found = Session(
        slot,
        Parameters(MODEL_RATE_HZ),
        MODEL_RATE_HZ,
        "token",
        Position(len(HEADER) + 2, 0, surplus=2),
        begun.id,
    )
    assert found.outgoing() == [], "nobody is there yet"
    assert (found.id, found.resumable) == (ready["msgId"], True)
    found.come_back(None)
    again, repeated = said(found)
    assert (again["audioBytes"], repeated) == (len(HEADER) + 2, before)
    found.receive_audio(pcm(2, 3, 4))
    found.receive_text("done")
    slot.answer("after")
    (after,) = said(found)
    assert slot.history == [1, 2, 3, 4, MARK]
    found.come_back(before["msgId"])
    assert said(found)[1:] == [after]
    assert len({message["msgId"] for message in (ready, before, again, after)}) == 4


def test_a_mark_stands_behind_what_came_again() -> None:
    """Where rounding gives a sample less than before, the next utterance loses none."""
    slot = FakeSlot()
    found = Session(
        slot, Parameters(MODEL_RATE_HZ), MODEL_RATE_HZ, "token", Position(2, 0, surplus=3)
    )
    found.receive_audio(pcm(2, 3))
    found.receive_text("done")
    found.receive_audio(pcm(5))
    assert slot.history == [MARK, 5]
