"""Fragments become messages whatever lies between them, and wrong text is found out at once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from server.incoming import Assembly, Protocol
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
