"""Fragments become messages whatever lies between them, and wrong text is found out at once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from server.incoming import Assembly, Protocol, Unheard, number_in
from tests.server.test_connection import frame


def fed(*frames: Frame) -> list[str | bytes]:
    """The messages in these frames."""
    assembly = Assembly()
    return [message for frame in frames if (message := assembly.feed(frame)) is not None]


def fragments(opcode: Opcode, data: bytes, cuts: list[int]) -> list[Frame]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:stop] for start, stop in pairwise(places)]
    return [
        Frame(Opcode.CONT if index else opcode, piece, fin=index == len(pieces) - 1)
        for index, piece in enumerate(pieces)
    ]


@given(st.lists(st.tuples(st.text() | st.binary(), st.lists(st.integers(0, 1000)))))
def test_any_fragments_of_messages_are_these_messages(
    messages: list[tuple[str | bytes, list[int]]],
) -> None:
    frames = []
    for message, cuts in messages:
        data, opcode = (
            (message, Opcode.BINARY)
            if isinstance(message, bytes)
            else (message.encode(), Opcode.TEXT)
        )
        frames += fragments(opcode, data, cuts)
    assert fed(*frames) == [message for message, _ in messages]


@given(st.binary(), st.lists(st.integers(0, 1000), max_size=5))
def test_what_is_no_text_raises_at_the_latest_at_its_end(data: bytes, cuts: list[int]) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            fed(*fragments(Opcode.TEXT, data, cuts))
    else:
        assert fed(*fragments(Opcode.TEXT, data, cuts)) == [text]


def test_wrong_text_is_found_out_with_its_fragment() -> None:
    assembly = Assembly()
    assert assembly.feed(Frame(Opcode.TEXT, b"abc\xf4", fin=False)) is None
    with pytest.raises(UnicodeDecodeError):
        assembly.feed(Frame(Opcode.CONT, b"\x90", fin=False))


def test_text_that_ends_within_a_character_leaves_nothing_to_the_next() -> None:
    assembly = Assembly()
    with pytest.raises(UnicodeDecodeError):
        assembly.feed(Frame(Opcode.TEXT, b"\xc3"))
    assert assembly.feed(Frame(Opcode.TEXT, b"abc")) == "abc"


@pytest.mark.parametrize("code", [b"", b"\x03\xe8"])
def test_a_client_may_close_within_a_message(code: bytes) -> None:
    protocol = Protocol()
    protocol.state = protocol.state.OPEN
    protocol.parser = protocol.parse()
    next(protocol.parser)
    protocol.receive_data(frame(Opcode.TEXT, b"do", fin=False) + frame(Opcode.CLOSE, code))
    assert protocol.parser_exc is None
    assert protocol.data_to_send()[0][2:] == code


REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


def test_a_request_is_taken_to_its_end_and_no_further() -> None:
    unheard = Unheard()
    unheard.add(REQUEST + b"\x81\x80frame")
    assert unheard.take(None) == REQUEST
    assert unheard.take(4) == b"\x81\x80fr"
    assert unheard.take(100) == b"ame"
    assert not unheard


def test_of_a_request_that_goes_on_all_is_taken() -> None:
    unheard = Unheard()
    unheard.add(REQUEST[:20])
    assert unheard.take(None) == REQUEST[:20]
    assert not unheard
    unheard.add(REQUEST[20:-1])
    assert unheard.take(None) == REQUEST[20:-1]
    unheard.add(REQUEST[-1:] + b"frame")
    assert unheard.take(None) == b"\n", "the rest of its last line's end, not the frame"
    assert unheard.take(5) == b"frame"


@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(1, 9))
def test_every_byte_is_taken_once(parts: list[bytes], most: int) -> None:
    unheard, taken = Unheard(), b""
    for part in parts:
        unheard.add(part)
        if unheard:
            taken += unheard.take(most)
    while unheard:
        taken += unheard.take(most)
    assert taken == b"".join(parts)


def test_what_is_dropped_does_not_come_back() -> None:
    unheard = Unheard()
    unheard.add(b"old")
    unheard.drop()
    unheard.add(b"new")
    assert unheard.take(9) == b"new"


@pytest.mark.parametrize(
    ("data", "number"),
    [(b"17", 17), (b"", 0), (b"x", 0), (b"1" * 18, int("1" * 18)), (b"1" * 19, 0)],
)
def test_the_number_of_a_pong(data: bytes, number: int) -> None:
    assert number_in(data) == number
