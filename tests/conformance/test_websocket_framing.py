"""Framing, control frames, fragments, UTF-8 and closing, against the real server over raw sockets.

The cases are those of the Autobahn test suite, by its numbers. The suite wants an echo, which this
server is not: here a text is answered with an error message (or, if it is ``done``, with a final),
audio with silence, and what counts is which frames are taken, and with which code the connection is
failed otherwise. The suite itself runs against the server's connection layer by
``python -m bench.autobahn``.

Beside every case a stream is open that says a word afterwards: it is heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.conformance.client import Client
from tests.conformance.raw_frames import (
    BINARY,
    CONT,
    PING,
    PONG,
    TEXT,
    FrameClient,
    Reply,
    closing,
    wire,
)
from tests.conformance.server_process import ServerProcess
from tests.conformance.spelling import spell

pytestmark = pytest.mark.server

MOST_BYTES: Final = 1 << 20
"""Of a message: beyond this it is not read."""
MOST_AUDIO_BYTES: Final = 4096
HELLO: Final = wire(TEXT, b"Hello, world!")
DONE: Final = wire(TEXT, b"done")
UNKNOWN: Final[Reply] = ("text", "error")
FINAL: Final[Reply] = ("text", "")
CLOSED: Final[Reply] = ("close", 1000)
PROTOCOL_ERROR: Final[Reply] = ("close", 1002)
NO_TEXT: Final[Reply] = ("close", 1007)
TOO_BIG: Final = [("text", "rate_limited"), ("close", 1009)]


@pytest.fixture(scope="module")
def neighbour(echo_server: ServerProcess) -> Iterator[Client]:
    """A stream that stays while everything here happens."""
    with Client(echo_server.url) as client:
        yield client
        client.close()


@pytest.fixture(autouse=True)
def undisturbed(neighbour: Client) -> Iterator[None]:
    """After every case its neighbour goes on, and its next session has nothing of it."""
    yield
    neighbour.send_audio(spell("still here"))
    assert neighbour.done()["text"] == "still here"


def exchange(server: ServerProcess, *frames: bytes, step: int = 0) -> list[Reply]:
    """What the server says to these frames and the close behind them, to the connection's end."""
    with FrameClient(server) as client:
        client.send(b"".join(frames) + closing(1000), step)
        return client.rest()


def case(number: str, *values: object) -> object:
    """A parameter set with a case's number."""
    return pytest.param(*values, id=number)


# -- 1: framing


@pytest.mark.parametrize(
    ("length", "step"),
    [
        case("1.1.1", 0, 0),
        case("1.1.2", 125, 0),
        case("1.1.3", 126, 0),
        case("1.1.4", 127, 0),
        case("1.1.5", 128, 0),
        case("1.1.6", 65_535, 0),
        case("1.1.7", 65_536, 0),
        case("1.1.8", 65_536, 997),
    ],
)
def test_text_of_every_form_of_length(echo_server: ServerProcess, length: int, step: int) -> None:
    assert exchange(echo_server, wire(TEXT, b"*" * length), step=step) == [UNKNOWN, CLOSED]


@pytest.mark.parametrize(
    ("length", "replies"),
    [
        case("1.2.1", 0, [FINAL, CLOSED]),
        case("1.2.2", 125, [UNKNOWN, NO_TEXT]),  # an odd number of bytes is no audio
        case("1.2.3", 126, [FINAL, CLOSED]),
        case("1.2.4", 127, [UNKNOWN, NO_TEXT]),
        case("1.2.5", 128, [FINAL, CLOSED]),
        case("1.2.6", 65_535, TOO_BIG),  # more than 128 ms
        case("1.2.7", 65_536, TOO_BIG),
        case("1.2.8", MOST_AUDIO_BYTES, [FINAL, CLOSED]),
    ],
)
@pytest.mark.parametrize("step", [0, 997])
def test_audio_of_every_form_of_length(
    echo_server: ServerProcess, length: int, replies: list[Reply], step: int
) -> None:
    """The suite's 1.2.8 is 1.2.7 in pieces; here every length comes in pieces as well."""
    assert exchange(echo_server, wire(BINARY, bytes(length)), DONE, step=step) == replies


def test_what_is_not_masked_fails(echo_server: ServerProcess) -> None:
    """RFC 6455, 5.1; the suite as a client of servers has no case for it."""
    assert exchange(echo_server, wire(TEXT, b"done", masked=False)) == [PROTOCOL_ERROR]


# -- 2: pings and pongs


@pytest.mark.parametrize(
    ("frames", "replies", "step"),
    [
        case("2.1", [wire(PING)], [("pong", b""), CLOSED], 0),
        case("2.2", [wire(PING, b"Hello, world!")], [("pong", b"Hello, world!"), CLOSED], 0),
        case("2.3", [wire(PING, bytes(range(248, 256)))],
             [("pong", bytes(range(248, 256))), CLOSED], 0),
        case("2.4", [wire(PING, b"\xfe" * 125)], [("pong", b"\xfe" * 125), CLOSED], 0),
        case("2.5", [wire(PING, b"\xfe" * 126)], [PROTOCOL_ERROR], 0),
        case("2.6", [wire(PING, b"\xfe" * 125)], [("pong", b"\xfe" * 125), CLOSED], 1),
        case("2.7", [wire(PONG)], [CLOSED], 0),
        case("2.8", [wire(PONG, b"unasked")], [CLOSED], 0),
        case("2.9", [wire(PONG, b"unasked"), wire(PING, b"asked")],
             [("pong", b"asked"), CLOSED], 0),
        case("2.10", [wire(PING, b"%d" % n) for n in range(10)],
             [*(("pong", b"%d" % n) for n in range(10)), CLOSED], 0),
        case("2.11", [wire(PING, b"%d" % n) for n in range(10)],
             [*(("pong", b"%d" % n) for n in range(10)), CLOSED], 1),
    ],
)  # fmt: skip
def test_a_ping_has_its_pong(
    echo_server: ServerProcess, frames: list[bytes], replies: list[Reply], step: int
) -> None:
    assert exchange(echo_server, *frames, step=step) == replies


# -- 3 and 4: bits and opcodes that mean nothing


@pytest.mark.parametrize(
    ("frames", "replies"),
    [
        case("3.1", [wire(TEXT, b"done", rsv=1)], []),
        case("3.2", [HELLO, wire(TEXT, b"done", rsv=2), wire(PING)], [UNKNOWN]),
        case("3.3", [HELLO, wire(TEXT, b"done", rsv=3), wire(PING)], [UNKNOWN]),
        case("3.4", [HELLO, wire(TEXT, b"done", rsv=4), wire(PING)], [UNKNOWN]),
        case("3.5", [wire(BINARY, bytes(8), rsv=5)], []),
        case("3.6", [wire(PING, b"hello", rsv=6)], []),
        case("3.7", [wire(8, b"\x03\xe8", rsv=7)], []),
        case("4.1.1", [wire(3)], []),
        case("4.1.2", [wire(4, b"reserved")], []),
        case("4.1.3", [HELLO, wire(5), wire(PING)], [UNKNOWN]),
        case("4.1.4", [HELLO, wire(6, b"reserved"), wire(PING)], [UNKNOWN]),
        case("4.1.5", [HELLO, wire(7, b"reserved"), wire(PING)], [UNKNOWN]),
        case("4.2.1", [wire(11)], []),
        case("4.2.2", [wire(12, b"reserved")], []),
        case("4.2.3", [HELLO, wire(13), wire(PING)], [UNKNOWN]),
        case("4.2.4", [HELLO, wire(14, b"reserved"), wire(PING)], [UNKNOWN]),
        case("4.2.5", [HELLO, wire(15, b"reserved"), wire(PING)], [UNKNOWN]),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_what_is_reserved_fails(
    echo_server: ServerProcess, frames: list[bytes], replies: list[Reply], step: int
) -> None:
    """What came before it is answered; the ping behind it is not."""
    assert exchange(echo_server, *frames, step=step) == [*replies, PROTOCOL_ERROR]


# -- 5: fragments

DO: Final = wire(TEXT, b"do", fin=False)
NE: Final = wire(CONT, b"ne")
LOST: Final = wire(CONT, b"nothing to continue")
LOST_OPEN: Final = wire(CONT, b"nothing to continue", fin=False)


@pytest.mark.parametrize(
    ("frames", "replies", "step"),
    [
        case("5.1", [wire(PING, b"a", fin=False), wire(CONT, b"b")], [PROTOCOL_ERROR], 0),
        case("5.2", [wire(PONG, b"a", fin=False), wire(CONT, b"b")], [PROTOCOL_ERROR], 0),
        case("5.3", [DO, NE], [FINAL, CLOSED], 0),
        case("5.5", [DO, NE], [FINAL, CLOSED], 1),
        case("5.6", [DO, wire(PING, b"?"), NE], [("pong", b"?"), FINAL, CLOSED], 0),
        case("5.8", [DO, wire(PING, b"?"), NE], [("pong", b"?"), FINAL, CLOSED], 1),
        case("5.9", [LOST, HELLO], [PROTOCOL_ERROR], 0),
        case("5.11", [LOST, HELLO], [PROTOCOL_ERROR], 1),
        case("5.12", [LOST_OPEN, HELLO], [PROTOCOL_ERROR], 0),
        case("5.14", [LOST_OPEN, HELLO], [PROTOCOL_ERROR], 1),
        case("5.15", [DO, NE, LOST_OPEN, HELLO], [FINAL, PROTOCOL_ERROR], 0),
        case("5.16", [LOST_OPEN, DO, NE] * 2, [PROTOCOL_ERROR], 0),
        case("5.17", [LOST, DO, NE] * 2, [PROTOCOL_ERROR], 0),
        case("5.18", [DO, wire(TEXT, b"ne")], [PROTOCOL_ERROR], 0),
        case("10.1.1", [wire(TEXT, b"*" * 1300, fin=False),
                        *[wire(CONT, b"*" * 1300, fin=False)] * 49, wire(CONT, b"*" * 536)],
             [UNKNOWN, CLOSED], 0),
    ],
)  # fmt: skip
def test_fragments(
    echo_server: ServerProcess, frames: list[bytes], replies: list[Reply], step: int
) -> None:
    assert exchange(echo_server, *frames, step=step) == replies


@pytest.mark.parametrize("step", [case("5.4", 0), case("5.7", 1)])
def test_fragments_frame_by_frame(echo_server: ServerProcess, step: int) -> None:
    """The pong comes while the message is not at its end."""
    with FrameClient(echo_server) as client:
        client.send(DO, step)
        client.send(wire(PING, b"in the midst"), step)
        assert client.reply() == ("pong", b"in the midst")
        client.send(NE, step)
        assert client.reply() == FINAL


@pytest.mark.parametrize("step", [case("5.19", 0), case("5.20", 1)])
def test_fragments_with_pings_between_them(echo_server: ServerProcess, step: int) -> None:
    with FrameClient(echo_server) as client:
        client.send(wire(TEXT, b"d", fin=False) + wire(CONT, b"o", fin=False), step)
        client.send(wire(PING, b"pongme 1!"), step)
        assert client.reply() == ("pong", b"pongme 1!")
        client.send(wire(CONT, b"n", fin=False) + wire(CONT, b"", fin=False), step)
        client.send(wire(PING, b"pongme 2!") + wire(CONT, b"e"), step)
        assert [client.reply(), client.reply()] == [("pong", b"pongme 2!"), FINAL]


@pytest.mark.parametrize("frame", [case("5.10", LOST), case("5.13", LOST_OPEN)])
def test_a_lost_fragment_fails_before_anything_follows(
    echo_server: ServerProcess, frame: bytes
) -> None:
    with FrameClient(echo_server) as client:
        client.send(frame)
        assert client.rest() == [PROTOCOL_ERROR]


def test_audio_in_fragments_is_heard(echo_server: ServerProcess) -> None:
    """Cut within a sample, with pings between them."""
    audio = spell("piece by piece").tobytes()
    frames = []
    for start in range(0, len(audio), MOST_AUDIO_BYTES):
        message = audio[start : start + MOST_AUDIO_BYTES]
        frames += [
            wire(BINARY, message[:1001], fin=False), wire(PING), wire(CONT, message[1001:])
        ]  # fmt: skip
    replies = exchange(echo_server, *frames, DONE)
    assert [reply for reply in replies if reply[0] != "pong"] == [
        ("text", "piece by piece"), CLOSED
    ]  # fmt: skip


# -- 6: UTF-8

GREEK: Final = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()
MISSING_LAST: Final = [
    *(b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80"),
    *(b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"),
]
SURROGATES: Final = [
    bytes([0xED, second, third])
    for second, third in [(0xA0, 0x80), (0xAD, 0xBF), (0xAE, 0x80), (0xAF, 0xBF), (0xB0, 0x80),
                          (0xBE, 0x80), (0xBF, 0xBF)]
]  # fmt: skip
RIGHT: Final = {
    "6.2": ["Hello-µ@ßöäüàá-UTF-8!!".encode()],
    "6.5": [b"hello$world", *(f"hello{sign}world".encode() for sign in "¢€\U00024b62"), GREEK],
    "6.6": [GREEK[:end] for end in (2, 5, 7, 9, 11)],
    "6.7": [b"\0", *(chr(first).encode() for first in (0x80, 0x800, 0x10000))],
    "6.9": [b"\x7f", *(chr(last).encode() for last in (0x7FF, 0xFFFF, 0x10FFFF))],
    "6.11": [chr(code).encode() for code in (0xD7FF, 0xE000, 0xFFFD, 0x10FFFF)],
    "6.22": [chr(plane << 16 | end).encode() for plane in range(17) for end in (0xFFFE, 0xFFFF)],
    "6.23": [chr(code).encode() for code in range(0xFFF9, 0x10000)],
}
WRONG: Final = {
    "6.3": [GREEK + b"\xed\xa0\x80edited"],
    "6.6": [GREEK[:end] for end in (1, 3, 4, 6, 8, 10)],
    "6.8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    "6.10": [b"\xf7\xbf\xbf\xbf", b"\xfb" + b"\xbf" * 4, b"\xfd" + b"\xbf" * 5],
    "6.11": [b"\xf4\x90\x80\x80"],
    "6.12": [b"\x80", b"\xbf", *((b"\x80\xbf" * 3)[:n] for n in range(2, 7)),
             bytes(range(0x80, 0xBF))],
    "6.13": [b"".join(bytes([byte, 0x20]) for byte in range(*lonely))
             for lonely in [(0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD)]],
    "6.14": MISSING_LAST,
    "6.15": [b"".join(MISSING_LAST)],
    "6.16": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    "6.17": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf",
             b"\xfc\x80\x80\x80\x80\xaf"],
    "6.18": [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf",
             b"\xfc\x83\xbf\xbf\xbf\xbf"],
    "6.19": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8" + b"\x80" * 4,
             b"\xfc" + b"\x80" * 5],
    "6.20": SURROGATES,
    "6.21": [high + low for high in SURROGATES[:4] for low in (SURROGATES[4], SURROGATES[6])],
}  # fmt: skip


@pytest.mark.parametrize("family", RIGHT)
def test_right_text_is_taken(echo_server: ServerProcess, family: str) -> None:
    """All of a family on one connection, whole (6.1, 6.5 and on) and in single bytes (6.2)."""
    frames = [wire(TEXT)]
    for text in RIGHT[family]:
        single = [wire(CONT, text[at : at + 1], fin=False) for at in range(len(text))]
        frames += [wire(TEXT, text), wire(TEXT, fin=False), *single, wire(CONT)]
    answers = 2 * len(RIGHT[family]) + 1
    assert exchange(echo_server, *frames) == [UNKNOWN] * answers + [CLOSED]


@pytest.mark.parametrize(
    "text",
    [
        case(f"{family}.{number}", text)
        for family, texts in WRONG.items()
        for number, text in enumerate(texts, start=1)
    ],
)
def test_what_is_no_text_fails(echo_server: ServerProcess, text: bytes) -> None:
    """Whole, as everywhere in the suite. Numbers within 6.6 and 6.11 count the wrong ones alone."""
    assert exchange(echo_server, DONE, wire(TEXT, text)) == [FINAL, UNKNOWN, NO_TEXT]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        case("6.4.1", GREEK, b"\xf4\x90\x80\x80"),
        case("6.4.2", GREEK + b"\xf4", b"\x90"),
        case("surrogate", GREEK + b"\xed", b"\xa0\x80"),
    ],
)
def test_the_first_wrong_fragment_fails(
    echo_server: ServerProcess, right: bytes, wrong: bytes
) -> None:
    """Though the message has not come to its end, and never does.

    Within a fragment (6.4.3 and 6.4.4) nothing is said before its last byte: the suite calls that
    not strict, and RFC 6455 does not ask for more.
    """
    with FrameClient(echo_server) as client:
        client.send(wire(TEXT, right, fin=False) + wire(PING))
        assert client.reply() == ("pong", b"")
        client.send(wire(CONT, wrong, fin=False))
        assert client.rest() == [UNKNOWN, NO_TEXT]


def test_wrong_text_in_single_bytes(echo_server: ServerProcess) -> None:
    """Case 6.3.2."""
    text = WRONG["6.3"][0]
    single = [wire(CONT, text[at : at + 1], fin=False) for at in range(1, len(text))]
    replies = exchange(echo_server, wire(TEXT, text[:1], fin=False), *single, wire(CONT))
    assert replies == [UNKNOWN, NO_TEXT]


def test_a_fragment_is_judged_at_its_end(echo_server: ServerProcess) -> None:
    with FrameClient(echo_server) as client:
        data = wire(TEXT, GREEK + b"\xf4\x90\x80\x80edited")
        client.send(data, 1)
        assert client.rest() == [UNKNOWN, NO_TEXT]


# -- 7: closing


@pytest.mark.parametrize(
    ("frames", "replies"),
    [
        case("7.1.1", [DONE], [FINAL, CLOSED]),
        case("7.1.2", [closing(1000), closing(None)], [CLOSED]),
        case("7.1.3", [closing(1000), wire(PING)], [CLOSED]),
        case("7.1.4", [closing(1000), HELLO], [CLOSED]),
        case("7.1.5", [DO, closing(1000), NE], [CLOSED]),
        case("7.1.6", [wire(TEXT, b"*" * 262_144), DONE, closing(1000), wire(PING)],
             [UNKNOWN, FINAL, CLOSED]),
        case("7.3.1", [closing(None)], [("close", None)]),
        case("7.3.2", [wire(8, b"a")], [PROTOCOL_ERROR]),
        case("7.3.3", [closing(1000)], [CLOSED]),
        case("7.3.4", [closing(1000, b"Hello World!")], [CLOSED]),
        case("7.3.5", [closing(1000, b"*" * 123)], [CLOSED]),
        case("7.3.6", [closing(1000, b"*" * 124)], [PROTOCOL_ERROR]),
        case("7.5.1", [closing(1000, GREEK + b"\xed\xa0\x80")], [("close", 1007)]),
        case("7.13.1", [closing(5000)], [PROTOCOL_ERROR]),
        case("7.13.2", [closing(65_535)], [PROTOCOL_ERROR]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [0, 1])
def test_closing(
    echo_server: ServerProcess, frames: list[bytes], replies: list[Reply], step: int
) -> None:
    if step and sum(map(len, frames)) > 10_000:
        step = 4093
    assert exchange(echo_server, *frames, step=step) == replies


RIGHT_CODES: Final = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
WRONG_CODES: Final = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]


@pytest.mark.parametrize(
    "code", [case(f"7.7.{number}", code) for number, code in enumerate(RIGHT_CODES, start=1)]
)
def test_the_clients_code_is_said_again(echo_server: ServerProcess, code: int) -> None:
    assert exchange(echo_server, closing(code)) == [("close", code)]


@pytest.mark.parametrize(
    "code", [case(f"7.9.{number}", code) for number, code in enumerate(WRONG_CODES, start=1)]
)
def test_a_code_that_nobody_may_send_fails(echo_server: ServerProcess, code: int) -> None:
    assert exchange(echo_server, closing(code)) == [PROTOCOL_ERROR]


def test_a_broken_frame_costs_no_words(echo_server: ServerProcess) -> None:
    """Whatever fails the connection, what was said before it is finalised first."""
    frames = [wire(BINARY, spell("last words").tobytes()[at : at + MOST_AUDIO_BYTES])
              for at in range(0, 2 * spell("last words").size, MOST_AUDIO_BYTES)]  # fmt: skip
    replies = exchange(echo_server, *frames, wire(3))
    assert replies == [("text", "last words"), PROTOCOL_ERROR]


# -- 9: limits. The suite's sizes go to 16 MiB; this server reads a message up to 1 MiB.


@pytest.mark.parametrize(
    ("frames", "replies", "step"),
    [
        case("9.1.1", [wire(TEXT, b"*" * 65_536)], [UNKNOWN, CLOSED], 0),
        case("9.1.2", [wire(TEXT, b"*" * 262_144)], [UNKNOWN, CLOSED], 0),
        case("9.1.3", [wire(TEXT, b"*" * MOST_BYTES)], [UNKNOWN, CLOSED], 0),
        case("9.1.4", [wire(TEXT, b"*" * 4 * MOST_BYTES)], TOO_BIG, 0),
        case("9.2.4", [wire(BINARY, bytes(4 * MOST_BYTES))], TOO_BIG, 0),
        case("9.3.4", [wire(TEXT, b"*" * 4096, fin=False),
                       *[wire(CONT, b"*" * 4096, fin=False)] * 254, wire(CONT, b"*" * 4096)],
             [UNKNOWN, CLOSED], 0),
        case("9.3.9", [wire(TEXT, b"*" * MOST_BYTES, fin=False), wire(CONT, b"*")], TOO_BIG, 0),
        case("9.4.1", [wire(BINARY, bytes(64), fin=False),
                       *[wire(CONT, bytes(64), fin=False)] * 62, wire(CONT, bytes(64)), DONE],
             [FINAL, CLOSED], 0),
        case("9.4.2", [wire(BINARY, bytes(64), fin=False),
                       *[wire(CONT, bytes(64), fin=False)] * 63, wire(CONT, bytes(64)), DONE],
             TOO_BIG, 0),
        case("9.5.1", [wire(TEXT, b"*" * MOST_BYTES)], [UNKNOWN, CLOSED], 64 * 16),
        case("9.7.1", [HELLO] * 1000, [*[UNKNOWN] * 1000, CLOSED], 0),
        case("9.8.1", [*[wire(BINARY, bytes(2))] * 1000, DONE], [FINAL, CLOSED], 0),
    ],
)  # fmt: skip
def test_limits(
    echo_server: ServerProcess, frames: list[bytes], replies: list[Reply], step: int
) -> None:
    assert exchange(echo_server, *frames, step=step) == replies


@pytest.mark.parametrize("length", [MOST_BYTES + 1, 1 << 32, (1 << 63) - 1, (1 << 64) - 1])
def test_a_length_that_is_only_claimed_is_not_waited_for(
    echo_server: ServerProcess, length: int
) -> None:
    with FrameClient(echo_server) as client:
        client.send(b"\x82\xff" + length.to_bytes(8, "big") + b"mask")
        assert client.rest() == TOO_BIG


# -- 12 and 13: compression is declined, so a compressed message is a reserved bit


@pytest.mark.parametrize(
    "offer",
    [
        case("12.1.1", "permessage-deflate"),
        case("13.1.1", "permessage-deflate; client_no_context_takeover; client_max_window_bits"),
        case("13.2.1", "permessage-deflate; server_no_context_takeover"),
        case("13.3.1", "permessage-deflate; server_max_window_bits=9"),
        case("13.7.1", "permessage-deflate; server_max_window_bits=8, permessage-deflate"),
        case("malformed", "permessage-deflate; server_max_window_bits=x; =,"),
    ],
)
def test_compression_is_declined(echo_server: ServerProcess, offer: str) -> None:
    with FrameClient(echo_server, f"Sec-WebSocket-Extensions: {offer}") as client:
        assert b"sec-websocket-extensions" not in client.answer.lower()
        client.send(DONE)
        assert client.reply() == FINAL
        client.send(wire(TEXT, b"\x4b\xc9\xcf\x4b\x05\x00", rsv=4))
        assert client.rest() == [PROTOCOL_ERROR]
