"""The shell: what goes over the wire, when it ends, and that the slot is free afterwards."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from server.connection import (
    CLOSE_TIMEOUT_S,
    MAX_FRAME_BYTES,
    MAX_REQUEST_BYTES,
    MAX_UNSENT_BYTES,
    MOVING_POLL_S,
    MOVING_TIMEOUT_S,
    PING_INTERVAL_S,
    PING_TIMEOUT_S,
    SESSION_HEADER,
)
from server.frontend_settings import EVERYBODY, ClientSettings
from server.lobby import Lobby
from server.patience import UNREAD_BYTES
from tests.server.fakes import MARK, FakeLoop, FakePool
from tests.server.peers import TARGET, Peer, cut, doorway_of

HANDSHAKE_TIMEOUT_S = EVERYBODY.handshake_timeout_s


def pcm(*samples: int) -> bytes:
    return np.array(samples, "<i2").tobytes()


def frame(opcode: int, data: bytes, *, fin: bool = True) -> bytes:
    """A client's frame as it is on the wire, right or wrong; its mask changes nothing."""
    length = len(data)
    if length < 126:
        size = struct.pack("!B", length)
    elif length < 1 << 16:
        size = struct.pack("!BH", 126, length)
    else:
        size = struct.pack("!BQ", 127, length)
    size = bytes([0x80 | size[0]]) + size[1:]
    return bytes([0x80 * fin | opcode]) + size + bytes(4) + data


def finish(peer: Peer, text: str = "") -> None:
    """The engine answers everything that the session has asked for."""
    while peer.pool.held and peer.slot.unanswered:
        peer.slot.answer(text)
        peer.pump()


def check_over(peer: Peer, held_by_others: int = 0) -> None:
    """The connection has ended, once, and holds nothing any more."""
    assert peer.transport.closed
    assert peer.times_closed == 1
    assert len(peer.pool.held) == held_by_others
    before = bytes(peer.transport.sent)
    peer.loop.advance(1000)
    peer.connection.pump()
    assert peer.transport.sent == before


# -- the handshake


def test_a_connection_opens_and_says_ready() -> None:
    peer = Peer().open()
    assert peer.refusal is None
    assert len(peer.pool.held) == 1


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_request_may_come_in_pieces(step: int) -> None:
    peer = Peer()
    for piece in cut(peer.request(), step):
        peer.send(piece)
    assert peer.statuses() == ["ready"]


@pytest.mark.parametrize("step", [1, 100, 10_000])
def test_audio_right_behind_the_request_is_not_lost(step: int) -> None:
    peer = Peer()
    data = peer.request() + frame(Opcode.BINARY, pcm(1, 2)) + frame(Opcode.TEXT, b"done")
    for piece in cut(data, step):
        peer.send(piece)
    assert peer.slot.history == [1, 2, MARK]
    peer.slot.answer("hello")
    peer.pump()
    assert peer.statuses() == ["ready", "hello"]


@pytest.mark.parametrize(
    ("target", "status", "right"),
    [
        ("/?sampleRate=16000", 400, "downsample=True"),
        ("/?text2int=maybe", 400, "True or False"),
        ("/asr", 404, "connect to /"),
    ],
)
def test_a_bad_request_is_refused_with_what_would_be_right(
    target: str, status: int, right: str
) -> None:
    peer = Peer(target)
    peer.send(peer.request())
    assert right in check_refusal(peer, status)["info"]


def test_a_full_server_says_when_to_come_again() -> None:
    pool = FakePool(slots=1)
    first = Peer(pool=pool).open()
    second = Peer(pool=pool)
    second.send(second.request())
    check_refusal(second, 503, held_by_others=1)
    assert second.refusal is not None
    assert int(second.refusal.headers["Retry-After"]) > 0
    first.lose(None)
    Peer(pool=pool).open()


@pytest.mark.parametrize(
    ("old", "new", "status", "header"),
    [
        (b"Upgrade: websocket\r\n", b"", 426, ("Upgrade", "websocket")),
        (b"Connection: Upgrade\r\n", b"", 426, ("Upgrade", "websocket")),
        (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 7", 400, None),
        (b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: short", 400, None),
        (b"GET ", b"POST ", 405, ("Allow", "GET")),
    ],
)
def test_what_is_no_websocket_is_refused_in_the_same_form(
    old: bytes, new: bytes, status: int, header: tuple[str, str] | None
) -> None:
    peer = Peer()
    request = peer.request()
    assert old in request
    peer.send(request.replace(old, new))
    check_refusal(peer, status)
    assert peer.refusal is not None
    if header is not None:
        assert peer.refusal.headers[header[0]] == header[1]


def test_what_follows_a_refused_request_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A quarter of a million of them in one read would hold up every other client."""
    peer = Peer("/nowhere")
    peer.send(peer.request())
    pieces: list[bytes] = []
    monkeypatch.setattr(peer.connection._ws, "receive_data", pieces.append)
    peer.send(b"\n" * 250_000)
    assert pieces == []


def check_refusal(peer: Peer, status: int, held_by_others: int = 0) -> dict[str, Any]:
    """The refusal's body; checks that the connection is done for, whatever else arrives."""
    assert peer.refusal is not None
    assert peer.refusal.status_code == status
    assert peer.refusal.headers["Content-Type"] == "application/json"
    assert int(peer.refusal.headers["Content-Length"]) == len(peer.refusal.body)
    body: dict[str, Any] = json.loads(peer.refusal.body)
    assert set(body) == {"status", "info", "msgId"}
    assert body["info"]
    assert peer.transport.eof_written
    peer.send(b"\n" * 300_000)
    peer.send(frame(Opcode.BINARY, pcm(1)))
    peer.half_close()
    check_over(peer, held_by_others)
    return body


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\n",
        b"HELO example.org\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"\n" * 1000,
        bytes(range(256)) * 100,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=range(8),
)
def test_garbage_instead_of_a_request_ends_the_connection(garbage: bytes) -> None:
    peer = Peer()
    peer.connection.data_received(garbage)
    assert peer.transport.ended
    peer.connection.data_received(garbage)
    peer.loop.advance(HANDSHAKE_TIMEOUT_S)
    assert peer.transport.aborted
    peer.lose(None)
    check_over(peer)


@pytest.mark.parametrize(
    ("request_lines", "reason"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "request body"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "transfer"),
        (b"GET / HTTP/2\r\n\r\n", "HTTP/1.1"),
        (b"HELO " + b"x" * 3000 + b"\r\n", "request line"),
    ],
)
def test_what_cannot_be_read_as_a_request_is_told_and_counted_once(
    request_lines: bytes, reason: str
) -> None:
    pool = FakePool(slots=1)
    peer = Peer(pool=pool)
    peer.connection.data_received(request_lines)
    peer.connection.data_received(request_lines)
    head, _, body = bytes(peer.transport.sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    told = json.loads(body)
    assert told["status"] == "bad_request"
    assert reason in told["info"]
    assert len(body) < 500
    assert peer.transport.ended
    assert pool.refused == ["handshake"]


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_request_that_does_not_come_to_an_end_times_out(sent: bytes) -> None:
    peer = Peer()
    peer.send(sent)
    peer.loop.advance(HANDSHAKE_TIMEOUT_S - 0.1)
    assert not peer.transport.ended
    peer.loop.advance(0.2)
    head, _, body = bytes(peer.transport.sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert f"within {HANDSHAKE_TIMEOUT_S} s" in json.loads(body)["info"]
    assert peer.pool.refused == ["handshake"]
    assert peer.transport.eof_written
    peer.connection.data_received(peer.request())
    assert bytes(peer.transport.sent).endswith(body), "it is too late"
    peer.loop.advance(CLOSE_TIMEOUT_S)
    assert peer.transport.aborted
    peer.lose(None)
    check_over(peer)


def test_a_client_that_goes_during_the_handshake() -> None:
    peer = Peer()
    peer.send(b"GET / HTTP/1.1\r\n")
    peer.half_close()
    check_over(peer)


@pytest.mark.parametrize("step", [1, 4000, 100_000])
def test_a_request_of_any_size_is_not_taken_in(step: int) -> None:
    peer = Peer()
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"z" * 1000) for n in range(40))
    for piece in cut(head, step):
        if not peer.transport.ended:
            peer.connection.data_received(piece)
    answer = bytes(peer.transport.sent)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert f"{MAX_REQUEST_BYTES} bytes" in json.loads(answer.partition(b"\r\n\r\n")[2])["info"]
    assert peer.pool.refused == ["handshake"]
    peer.connection.data_received(b"\r\n")
    assert bytes(peer.transport.sent) == answer
    peer.loop.advance(HANDSHAKE_TIMEOUT_S)
    assert peer.transport.aborted
    peer.lose(None)
    check_over(peer)


def test_what_comes_behind_a_request_is_not_part_of_its_size() -> None:
    peer = Peer()
    peer.send(peer.request() + frame(Opcode.BINARY, pcm(*range(1000))) * (MAX_REQUEST_BYTES // 500))
    assert peer.statuses() == ["ready"]


def test_there_are_so_many_connections_without_a_stream_and_no_more() -> None:
    lobby = Lobby(most=2)
    inside = Peer(lobby=lobby).open()
    waiting = [Peer(lobby=lobby) for _ in range(2)]
    assert not any(peer.transport.closed for peer in waiting)
    new = Peer(lobby=lobby)
    assert [peer.transport.aborted for peer in (*waiting, new)] == [True, False, False]
    assert waiting[0].pool.refused == ["handshake"]
    waiting[0].lose(None)
    new.open()
    assert not inside.transport.closed
    inside.connection.go_away()
    finish(inside)
    Peer(lobby=lobby)
    assert waiting[1].transport.aborted, "it has been without one for longer than one that ended"


def test_one_that_was_told_off_makes_room_and_is_counted_once() -> None:
    lobby, pool = Lobby(most=1), FakePool()
    refused = Peer("/nowhere", lobby=lobby, pool=pool)
    refused.connection.data_received(refused.request())
    Peer(lobby=lobby, pool=pool)
    assert refused.transport.aborted
    assert pool.refused == ["path"]


# -- frames


class Processor:
    """The processor's clock: everything costs the same, whatever it is."""

    def __init__(self, cost_s: float) -> None:
        self._cost_s = cost_s / 2  # it is looked at before and after
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += self._cost_s
        return self._now_s


def test_a_flood_is_heard_bit_by_bit_and_all_of_it() -> None:
    """Between two bits the loop is free for others, and nothing more is read."""
    peer = Peer(processor_s=Processor(0.01)).open()
    peer.loop.advance(10)
    peer.connection.data_received(frame(Opcode.TEXT, b"?") * 1000 + frame(Opcode.TEXT, b"done"))
    assert not peer.transport.reading
    assert 0 < len(peer.transport.sent) < 100 * 150
    peer.deliver()
    before = len(peer.statuses())
    assert before < 1000
    peer.connection.data_received(frame(Opcode.TEXT, b"done"))  # it was on its way
    peer.loop.advance(PING_TIMEOUT_S / 2)
    peer.deliver()
    assert before + len(peer.statuses()) == 1000
    assert peer.transport.reading
    finish(peer)
    finish(peer)
    assert len(peer.statuses()) == 2


def test_what_was_not_heard_when_the_client_ends_is_heard_before_the_end() -> None:
    peer = Peer(processor_s=Processor(0.01)).open()
    peer.connection.data_received(frame(Opcode.BINARY, pcm(7)) * 500)
    assert len(peer.slot.audio) < 500
    peer.half_close()
    assert peer.slot.audio == [7] * 500
    finish(peer)
    check_over(peer)


def test_a_connection_that_is_lost_while_it_rests_is_over() -> None:
    peer = Peer(processor_s=Processor(0.01)).open()
    peer.connection.data_received(frame(Opcode.TEXT, b"?") * 500)
    peer.deliver()
    peer.lose(None)
    check_over(peer)


def test_a_client_that_is_told_goodbye_while_it_rests_may_still_say_it_too() -> None:
    peer = Peer(processor_s=Processor(0.01)).open()
    peer.client.send_close(1000)
    peer.connection.data_received(frame(Opcode.TEXT, b"?") * 500 + peer.written())
    peer.connection.go_away()
    finish(peer)
    peer.loop.advance(1000)
    peer.deliver()
    check_over(peer)


def test_audio_arrives_and_results_return() -> None:
    peer = Peer().open()
    peer.send_audio(pcm(1, 2, 3))
    assert peer.slot.history == [1, 2, 3]
    peer.slot.partial("hel")
    peer.slot.endpoint("hello")
    peer.pump()
    assert peer.statuses() == ["hel", "hello"]


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_fragments_of_a_message_are_put_together(step: int) -> None:
    """Cut within a sample, with a ping between them."""
    peer = Peer().open()
    data = (
        frame(Opcode.BINARY, b"\x01\x00\x02", fin=False)
        + frame(Opcode.PING, b"still there?")
        + frame(Opcode.CONT, b"", fin=False)
        + frame(Opcode.CONT, b"\x00\x03\x00")
        + frame(Opcode.TEXT, b"do", fin=False)
        + frame(Opcode.CONT, b"ne")
    )
    for piece in cut(data, step):
        peer.send(piece)
    assert peer.slot.history == [1, 2, 3, MARK]
    assert peer.pongs == [b"still there?"]


def test_fragments_count_together_against_the_limit() -> None:
    peer = Peer().open()
    peer.send(frame(Opcode.BINARY, bytes(4096), fin=False) + frame(Opcode.CONT, bytes(2)))
    finish(peer)
    assert peer.statuses() == ["rate_limited"]
    assert peer.close_code == 1009


def test_a_pong_does_not_wait_for_the_last_final() -> None:
    peer = Peer().open()
    peer.send(frame(Opcode.PING, b"1") + frame(Opcode.CLOSE, b"") + frame(Opcode.PING, b"2"))
    assert peer.pongs == [b"1"]
    assert peer.close_code is None
    finish(peer)
    assert peer.pongs == [b"1"]


@pytest.mark.parametrize(
    ("mistake", "code"),
    [
        (frame(Opcode.TEXT, b"\xff"), 1007),
        (frame(Opcode.BINARY, bytes(3)), 1007),
        (frame(Opcode.BINARY, bytes(5000)), 1009),
    ],
)
def test_a_mistake_is_told_to_a_client_that_closes_right_behind_it(
    mistake: bytes, code: int
) -> None:
    peer = Peer().open()
    peer.send(mistake + frame(Opcode.CLOSE, b"\x03\xe8"))
    finish(peer)
    assert peer.close_code == code
    assert peer.transport.eof_written


def test_a_close_within_a_message_is_a_close() -> None:
    peer = Peer().open()
    peer.send(frame(Opcode.TEXT, b"do", fin=False) + frame(Opcode.CLOSE, b"\x03\xe8"))
    finish(peer)
    assert peer.close_code == 1000


def test_wrong_text_is_told_before_its_message_ends() -> None:
    peer = Peer().open()
    peer.send(frame(Opcode.TEXT, b"\xff", fin=False))
    finish(peer)
    assert peer.statuses() == ["error"]
    assert peer.close_code == 1007


def test_an_unknown_text_message_is_told_and_the_connection_goes_on() -> None:
    peer = Peer().open()
    peer.send_text("stop")
    assert peer.statuses() == ["error"]
    peer.send_text("done")
    finish(peer)
    assert peer.statuses() == [""]
    assert not peer.transport.ended


# -- the end, as the client wants it


def test_the_final_comes_before_the_reply_to_a_close() -> None:
    peer = Peer().open()
    peer.send_audio(pcm(1))
    peer.send_close(1000)
    assert peer.slot.history == [1, MARK]
    assert peer.close_code is None
    finish(peer, "good bye")
    assert peer.statuses() == ["good bye"]
    assert peer.close_code == 1000
    assert peer.transport.eof_written
    assert not peer.pool.held
    peer.half_close()
    check_over(peer)


def test_the_final_comes_before_the_reply_to_a_close_over_tls() -> None:
    """TLS has no half-closed connections: the end is the transport's close."""
    peer = Peer(tls=True).open()
    peer.send_close()
    finish(peer, "good bye")
    assert peer.statuses() == ["good bye"]
    assert peer.close_code == 1000
    check_over(peer)


def test_a_client_that_half_closes_gets_its_final() -> None:
    peer = Peer().open()
    peer.send_audio(pcm(1))
    peer.half_close()
    assert not peer.transport.ended
    assert peer.slot.history == [1, MARK]
    finish(peer, "good bye")
    assert peer.statuses() == ["good bye"]
    assert peer.close_code == 1000
    check_over(peer)


def test_a_client_that_closes_and_half_closes_gets_its_final() -> None:
    peer = Peer().open()
    peer.send_close(1001)
    peer.half_close()
    finish(peer, "good bye")
    assert peer.statuses() == ["good bye"]
    assert peer.close_code == 1001
    check_over(peer)


def test_a_client_that_vanishes_frees_its_slot() -> None:
    peer = Peer().open()
    peer.send_audio(pcm(1))
    peer.lose(ConnectionResetError("gone"))
    check_over(peer)


def test_a_client_that_closes_during_an_answer_frees_its_slot() -> None:
    peer = Peer().open()
    peer.send_close()
    peer.lose(None)
    check_over(peer)


# -- the end, as the server wants it


def test_half_a_sample_is_answered_and_closed() -> None:
    peer = Peer().open()
    peer.send_audio(pcm(1))
    peer.send_audio(bytes(3))
    finish(peer, "so far")
    assert peer.statuses() == ["so far", "error"]
    assert peer.close_code == 1007
    assert not peer.pool.held
    assert not peer.transport.ended, "the client may still be sending"
    peer.send(peer.written())
    assert peer.transport.eof_written
    peer.half_close()
    check_over(peer)


def test_text_that_is_not_utf8_is_answered_and_closed() -> None:
    peer = Peer().open()
    peer.send(frame(Opcode.TEXT, b"d\xff"))
    finish(peer, "so far")
    assert peer.statuses() == ["so far", "error"]
    assert peer.close_code == 1007


@pytest.mark.parametrize("n_bytes", [MAX_FRAME_BYTES, MAX_FRAME_BYTES + 2])
def test_far_too_large_a_message_is_answered_like_any_too_large_one(n_bytes: int) -> None:
    peer = Peer().open()
    peer.send_audio(pcm(1))
    for piece in cut(frame(Opcode.BINARY, bytes(n_bytes)), 65_536):
        peer.send(piece)
    finish(peer, "so far")
    assert peer.statuses() == ["so far", "rate_limited"]
    assert peer.close_code == 1009
    peer.half_close()
    check_over(peer)


@pytest.mark.parametrize(
    "data",
    [
        Frame(Opcode.BINARY, pcm(1)).serialize(mask=False),
        frame(Opcode.CONT, pcm(1)),
        frame(Opcode.BINARY, pcm(1), fin=False) + frame(Opcode.BINARY, pcm(2)),
        frame(0x70 | Opcode.BINARY, b""),
        frame(3, b""),
        frame(Opcode.PING, bytes(126)),
        frame(Opcode.PING, b"", fin=False),
        frame(Opcode.CLOSE, b"\x03"),
    ],
    ids=[
        "not masked", "nothing to continue", "a message within another", "reserved bits",
        "unknown opcode", "long ping", "ping in fragments", "half a close code",
    ],
)  # fmt: skip
def test_a_broken_protocol_is_a_close_after_the_final(data: bytes) -> None:
    peer = Peer().open()
    peer.send_text("done")
    peer.send(data)
    assert peer.close_code is None
    finish(peer, "so far")
    assert peer.statuses() == ["so far", "so far"]
    assert peer.close_code == 1002
    assert peer.transport.eof_written
    peer.half_close()
    check_over(peer)


def test_going_away_finalises_and_says_so() -> None:
    peer = Peer().open()
    peer.connection.go_away()
    peer.connection.go_away()
    assert peer.slot.history == [MARK]
    finish(peer, "so far")
    assert peer.statuses() == ["so far"]
    assert peer.close_code == 1001
    peer.send(peer.written())
    peer.half_close()
    check_over(peer)


def test_going_away_waits_for_no_handshake() -> None:
    peer = Peer()
    peer.send(b"GET / HTTP/1.1\r\n")
    peer.connection.go_away()
    peer.deliver()
    assert peer.transport.aborted
    check_over(peer)


def test_a_client_that_does_not_answer_a_close_is_left() -> None:
    peer = Peer().open()
    peer.connection.go_away()
    finish(peer)
    assert peer.close_code == 1001
    peer.loop.advance(CLOSE_TIMEOUT_S - 0.1)
    assert not peer.transport.closed
    peer.loop.advance(0.2)
    peer.deliver()
    assert peer.transport.aborted
    check_over(peer)


# -- clients that are slow, silent or gone


def test_a_client_that_does_not_read_its_results_is_left() -> None:
    peer = Peer().open()
    peer.transport.unsent_bytes = MAX_UNSENT_BYTES
    peer.slot.partial("a")
    peer.pump()
    assert not peer.transport.closed
    peer.transport.unsent_bytes += 1
    peer.slot.partial("a")
    peer.pump()
    assert peer.transport.aborted
    check_over(peer)


def test_a_client_that_does_not_read_its_last_result_is_left_without_a_close() -> None:
    peer = Peer().open()
    peer.send_close()
    peer.transport.unsent_bytes = MAX_UNSENT_BYTES + 1
    peer.slot.answer("a")
    peer.pump()
    assert peer.transport.aborted
    check_over(peer)


def test_a_client_that_pings_and_does_not_read_is_left() -> None:
    peer = Peer().open()
    peer.transport.unsent_bytes = MAX_UNSENT_BYTES + 1
    peer.send(frame(Opcode.PING, b"?"))
    assert peer.transport.aborted
    check_over(peer)


def test_a_silent_client_is_pinged_and_then_left() -> None:
    peer = Peer().open()
    peer.loop.advance(PING_INTERVAL_S)
    peer.deliver()
    assert peer.pings == 1
    peer.loop.advance(PING_TIMEOUT_S)
    peer.deliver()
    assert peer.transport.aborted
    check_over(peer)


def test_a_pong_is_a_sign_of_life() -> None:
    peer = Peer().open()
    for _ in range(10):
        peer.loop.advance(PING_INTERVAL_S)
        peer.deliver()
        peer.send(peer.written())
    assert peer.pings == 10
    assert not peer.transport.closed


@pytest.mark.parametrize("how", ["close", "half-close"])
def test_a_client_that_has_closed_may_wait_in_silence_for_its_final(how: str) -> None:
    peer = Peer().open()
    peer.send_audio(pcm(1))
    if how == "close":
        peer.send_close()
    else:
        peer.half_close()
    peer.loop.advance(10 * PING_TIMEOUT_S)
    finish(peer, "at last")
    assert peer.statuses() == ["at last"]


def test_reading_stops_while_the_slot_is_full() -> None:
    peer = Peer(ring_samples=4).open()
    peer.send_audio(pcm(1, 2, 3))
    assert peer.transport.reading
    peer.send_audio(pcm(4, 5))
    assert not peer.transport.reading
    assert peer.connection.waits_for_room
    peer.pump()
    assert not peer.transport.reading
    peer.slot.endpoint("a")
    peer.pump()
    assert peer.transport.reading
    assert not peer.connection.waits_for_room
    assert peer.slot.history == [1, 2, 3, 4, 5]


def test_a_client_that_was_not_listened_to_is_not_silent() -> None:
    peer = Peer(ring_samples=4).open()
    peer.send_audio(pcm(1, 2, 3))
    peer.send_audio(pcm(4, 5))
    peer.loop.advance(2 * PING_TIMEOUT_S)
    assert not peer.transport.closed
    peer.slot.endpoint("a")
    peer.pump()
    peer.loop.advance(PING_INTERVAL_S)
    assert not peer.transport.closed


def test_an_end_with_a_full_slot_is_an_end_after_everything() -> None:
    peer = Peer(ring_samples=4).open()
    peer.send_audio(pcm(1, 2, 3))
    peer.client.send_binary(pcm(4, 5))
    peer.client.send_close(1000)
    peer.send(peer.written())
    slot = peer.slot
    assert slot.history == [1, 2, 3]
    assert not peer.transport.reading
    slot.endpoint("a")
    peer.pump()
    assert slot.history == [1, 2, 3, 4, 5, MARK]
    finish(peer, "b")
    assert peer.statuses() == ["a", "b"]
    assert peer.transport.reading, "or the client's end would not be seen"
    peer.half_close()
    check_over(peer)


def test_an_end_that_is_answered_at_once_resumes_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine was faster than this side's look at the room: the client's end is still read."""
    peer = Peer(ring_samples=2).open()
    peer.send_audio(pcm(1, 2))
    peer.send_audio(pcm(3))
    slot = peer.slot

    write_mark = slot.write_mark

    def write_and_answer(received_bytes: int, dones: int, *, is_last: bool) -> None:
        write_mark(received_bytes, dones, is_last=is_last)
        slot.answer("all")

    monkeypatch.setattr(slot, "write_mark", write_and_answer)
    slot.endpoint("")
    peer.connection.go_away()
    peer.deliver()
    assert peer.statuses() == ["all"]
    assert peer.close_code == 1001
    assert peer.transport.reading
    peer.half_close()
    check_over(peer)


def test_a_result_for_a_transport_that_is_closing_is_not_written() -> None:
    """uvloop's refuse to be paused then, and the bell of the others would not be heard."""
    peer = Peer(ring_samples=1).open()
    peer.transport.abort()
    peer.slot.partial("a")
    peer.connection.data_received(frame(Opcode.BINARY, pcm(1, 2)))
    peer.lose(None)
    check_over(peer)


# -- anything at all

FRAMES = st.builds(
    frame,
    st.sampled_from([*Opcode, *Opcode, 3]),
    st.one_of(st.binary(max_size=40), st.just(b"done"), st.integers(0, 5000).map(bytes)),
    fin=st.booleans(),
)
PIECES = st.lists(st.one_of(FRAMES, st.binary(max_size=60)), max_size=12)


@given(
    start=st.sampled_from(["request", "cut", "none"]),
    pieces=PIECES,
    step=st.integers(30, 3000),
    ending=st.sampled_from(["close", "half-close", "lose", "nothing"]),
    tls=st.booleans(),
)
@example(start="request", pieces=[b"\xff" * 60], step=30, ending="nothing", tls=False)
def test_any_bytes_end_cleanly(
    start: str, pieces: list[bytes], step: int, ending: str, tls: bool
) -> None:
    peer = Peer(TARGET, tls=tls)
    request = {"request": peer.request(), "cut": peer.request()[:60], "none": b""}[start]
    for piece in cut(request + b"".join(pieces), step):
        if not peer.transport.closed:
            peer.connection.data_received(piece)
    if ending == "close" and not peer.transport.closed:
        peer.connection.data_received(frame(Opcode.CLOSE, b"\x03\xe8"))
    elif ending == "half-close" and not peer.transport.closed:
        if not peer.connection.eof_received():
            peer.transport.close()
    elif ending == "lose":
        peer.lose(None)
    while peer.pool.held and peer.slot.unanswered and not peer.transport.closed:
        peer.slot.answer()
        peer.connection.pump()
    peer.loop.advance(PING_INTERVAL_S + PING_TIMEOUT_S + CLOSE_TIMEOUT_S)
    peer.deliver()
    check_over(peer)


# -- plain HTTP


def plain(target: str, method: str = "GET", *headers: str) -> Peer:
    """A request that no WebSocket would make, and all that came of it."""
    peer = Peer()
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers, "", ""]
    peer.connection.data_received("\r\n".join(lines).encode())
    return peer


def answered(peer: Peer) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name, and body; checks that the connection is over."""
    head, _, body = bytes(peer.transport.sent).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    found = dict(line.lower().split(": ", 1) for line in rest)
    assert found["connection"] == "close"
    assert peer.transport.eof_written
    assert not peer.pool.held, "a page takes no slot"
    peer.connection.data_received(b"GET / HTTP/1.1\r\n\r\n" * 1000)
    assert bytes(peer.transport.sent).partition(b"\r\n\r\n")[2] == body
    peer.loop.advance(HANDSHAKE_TIMEOUT_S + 1)
    assert peer.transport.aborted, "a client that holds on is let go"
    peer.lose(None)
    check_over(peer)
    return int(first.split()[1]), found, body


def test_a_browser_is_shown_the_console() -> None:
    status, headers, body = answered(plain("/"))
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert int(headers["content-length"]) == len(body)
    assert b"</html>" in body
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_head_is_get_without_the_body() -> None:
    _, of_get, _ = answered(plain("/"))
    status, of_head, body = answered(plain("/", "HEAD"))
    assert (status, body) == (200, b"")
    assert of_head["content-length"] == of_get["content-length"]
    assert of_head["etag"] == of_get["etag"]


def test_a_page_that_the_browser_has_is_not_sent_again() -> None:
    _, headers, _ = answered(plain("/"))
    status, again, body = answered(plain("/", "GET", f"If-None-Match: {headers['etag']}"))
    assert (status, body) == (304, b"")
    assert "content-length" not in again
    assert again["etag"] == headers["etag"]


@pytest.mark.parametrize(("method", "target", "status"), [("GET", "/x", 404), ("POST", "/", 405)])
def test_what_is_not_there_is_told_in_the_form_of_every_error(
    method: str, target: str, status: int
) -> None:
    found, headers, body = answered(plain(target, method))
    assert (found, headers["content-type"]) == (status, "application/json")
    assert set(json.loads(body)) == {"status", "info", "msgId"}


def test_pages_go_over_tls_too() -> None:
    peer = Peer(tls=True)
    peer.connection.data_received(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert peer.transport.closed
    assert peer.transport.sent.startswith(b"HTTP/1.1 200 ")


def test_refusals_are_counted_by_reason() -> None:
    pool = FakePool(slots=1)
    for target in ("/asr", "/?a=b", TARGET, TARGET):
        peer = Peer(target, pool=pool)
        peer.send(peer.request())
    peer = Peer(pool=pool)
    peer.send(peer.request().replace(b"Upgrade: websocket\r\n", b""))
    plain("/nowhere")
    assert pool.refused == ["path", "parameter", "full", "handshake"]


# -- the log


def test_every_line_of_a_session_names_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "realtime_engine")
    peer = Peer()
    peer.send(peer.request())
    (ready,) = peer.messages
    peer.send_audio(pcm(1))
    peer.send_close()
    finish(peer, "spoken")
    peer.lose(ConnectionResetError("gone"))
    fields = [vars(record)["fields"] for record in caplog.records]
    assert len(fields) == 3
    assert {entry["session"] for entry in fields} == {ready["msgId"]}
    assert "spoken" not in caplog.text


# -- a client that comes back

KEEP = ClientSettings(keep_session_s=30)


class House:
    """A server of one slot that keeps sessions, and its clients one after the other."""

    def __init__(self) -> None:
        self.pool = FakePool(slots=1)
        self.loop = FakeLoop()
        self.doorway = doorway_of(self.pool, settings=KEEP)

    def visit(self, **parameters: str) -> Peer:
        query = "".join(f"&{name}={value}" for name, value in parameters.items())
        peer = Peer(TARGET + query, pool=self.pool, doorway=self.doorway, loop=self.loop)
        peer.send(peer.request())
        return peer

    def begin(self) -> tuple[Peer, str]:
        peer = self.visit(session="new")
        (ready,) = peer.messages
        peer.messages.clear()
        return peer, ready["session"]


def reset(peer: Peer) -> None:
    peer.lose(ConnectionResetError())


def end_by_tcp(peer: Peer) -> None:
    peer.half_close()


def fall_silent(peer: Peer) -> None:
    peer.loop.advance(PING_TIMEOUT_S + PING_INTERVAL_S)
    peer.deliver()


def stay(_peer: Peer) -> None:
    """Its end is not noticed."""


@pytest.mark.parametrize("lose", [reset, end_by_tcp, fall_silent, stay])
def test_a_stream_goes_on_where_it_was_broken(lose: Callable[[Peer], None]) -> None:
    house = House()
    peer, token = house.begin()
    peer.send_audio(pcm(1, 2))
    whole = frame(Opcode.BINARY, pcm(3, 4))
    peer.send(whole[: len(whole) - 1])  # cut within a message: it was not received
    slot = peer.slot
    slot.endpoint("heard and lost")
    lose(peer)
    assert house.pool.held == [slot]
    back = house.visit(session=token)
    ready, heard = back.messages
    assert (ready["status"], ready["audioBytes"], ready["dones"]) == ("ready", 4, 0)
    assert heard["text"] == "heard and lost"
    back.messages.clear()
    back.send_audio(pcm(3, 4))
    back.send_text("done")
    assert slot.history == [1, 2, 3, 4, MARK]
    slot.answer("and on")
    back.pump()
    assert back.statuses() == ["and on"]
    back.send_close()
    finish(back)
    assert back.close_code == 1000
    assert house.pool.held == []


def test_the_newer_of_two_connections_has_the_session() -> None:
    house = House()
    old, token = house.begin()
    new = house.visit(session=token, lastMsgId="whatever")
    old.deliver()
    assert old.close_code == 1008
    old.send(frame(Opcode.BINARY, pcm(1)))
    new.send_audio(pcm(2))
    assert new.slot.audio == [2]
    house.loop.advance(CLOSE_TIMEOUT_S)
    old.deliver()
    assert old.times_closed == 1
    assert house.pool.held == [new.slot]
    assert new.times_closed == 0


class Moving:
    """Stands for the doorway's: another process has the session for so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def ask_for(self, _token: str, _now_s: float) -> bool:
        self.looks -= 1
        return self.looks >= 0


@pytest.mark.parametrize("looks", [1, 20])
def test_a_session_that_another_process_lets_go_is_waited_for(
    looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House()
    peer, token = house.begin()
    streams = dict(house.doorway._keeping._streams)
    monkeypatch.setattr(house.doorway, "_moving", moving := Moving(looks))
    house.doorway._keeping._streams.clear()
    back = house.visit(session=token)
    for _ in range(looks - 1):
        house.loop.advance(MOVING_POLL_S)
        assert back.messages == []
    assert moving.looks == 0
    house.doorway._keeping._streams.update(streams)
    house.loop.advance(MOVING_POLL_S)
    back.deliver()
    assert [message["status"] for message in back.messages] == ["ready"]
    assert back.slot is peer.slot


def test_it_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    _, token = house.begin()
    house.doorway._keeping._streams.clear()
    monkeypatch.setattr(house.doorway, "_moving", Moving(10_000))
    back = house.visit(session=token)
    gone = house.visit(session=token)
    gone.transport.abort()
    house.loop.advance(MOVING_TIMEOUT_S + 1)
    back.deliver()
    assert "try again" in check_refusal(back, 503, held_by_others=1)["info"]
    assert back.refusal is not None
    assert int(back.refusal.headers["Retry-After"]) > 0
    assert house.pool.refused == ["session"]


def test_an_old_connection_that_reads_nothing_gives_way_as_well() -> None:
    house = House()
    old, token = house.begin()
    while old.transport.reading:
        old.send_audio(bytes(4096))
    new = house.visit(session=token)
    assert new.messages[0]["audioBytes"] > 4096
    assert not new.transport.reading
    new.slot.endpoint("")
    new.pump()
    assert new.transport.reading


def test_a_close_ends_the_session_at_once() -> None:
    house = House()
    peer, token = house.begin()
    peer.send_close()
    finish(peer)
    assert house.pool.held == []
    check_refusal(house.visit(session=token), 410)


def test_without_a_token_the_slot_is_free_at_once() -> None:
    house = House()
    house.visit().lose(None)
    assert house.pool.held == []


def test_what_has_arrived_is_confirmed_by_pongs() -> None:
    house = House()
    peer, token = house.begin()
    for number in range(40):
        peer.slot.endpoint(str(number))
    peer.pump()
    house.loop.advance(PING_INTERVAL_S)
    peer.deliver()
    peer.client.send_pong(b"9" * 30)  # none of ours
    peer.send(peer.written())  # the library has answered the ping as well
    peer.lose(None)
    back = house.visit(session=token)
    assert back.statuses() == ["ready", *map(str, range(8, 40))]


def test_a_kept_session_does_not_outlive_a_server_that_stops() -> None:
    house = House()
    peer, _ = house.begin()
    peer.connection.go_away()
    finish(peer)
    assert peer.close_code == 1001
    assert house.pool.held == []


# -- clients that are let go


def patient(**limits: Any) -> Peer:
    settings = ClientSettings(**limits)
    pool = FakePool(slots=1)
    return Peer(pool=pool, doorway=doorway_of(pool, settings=settings)).open()


def look(peer: Peer, seconds: float) -> None:
    """The frontend's heart beats for so long."""
    for _ in range(round(seconds)):
        peer.loop.advance(1)
        peer.connection.look_at_the_clock()
        peer.deliver()
        if not peer.transport.closed:
            peer.send(peer.written())  # the library answers pings


def test_an_idle_client_gets_its_final_is_told_and_closed() -> None:
    peer = patient(idle_timeout_s=100)
    look(peer, 99)
    peer.send_audio(pcm(1))
    look(peer, 99)
    assert peer.slot.audio == [1]
    look(peer, 1)
    assert peer.slot.history == [1, MARK]
    finish(peer, "so far")
    assert peer.statuses() == ["so far", "idle_timeout"]
    assert peer.close_code == 1008
    assert peer.pool.held == []


def test_a_client_may_be_idle_if_nothing_else_is_said() -> None:
    peer = patient()
    look(peer, 10_000)
    assert not peer.transport.closed
    assert peer.slot.history == []


def test_a_client_that_is_held_up_is_not_idle() -> None:
    peer = patient(idle_timeout_s=10)
    while peer.transport.reading:
        peer.send_audio(bytes(4096))
    for _ in range(40):
        peer.loop.advance(1)
        peer.connection.look_at_the_clock()
    peer.slot.endpoint("")
    peer.pump()
    assert peer.transport.reading
    look(peer, 9)
    assert MARK not in peer.slot.history
    look(peer, 1)
    assert MARK in peer.slot.history


def test_a_client_that_leaves_its_results_unread_is_told_and_closed() -> None:
    peer = patient(unread_timeout_s=20, keep_session_s=30)
    peer.transport.unsent_bytes = UNREAD_BYTES + 1
    look(peer, 20)
    assert MARK not in peer.slot.history
    peer.transport.unsent_bytes = 0
    look(peer, 1)
    peer.transport.unsent_bytes = UNREAD_BYTES + 1
    look(peer, 20)
    assert MARK not in peer.slot.history
    look(peer, 1)
    finish(peer)
    assert peer.statuses() == ["slow_reader"]
    assert peer.close_code == 1008
    peer.loop.advance(CLOSE_TIMEOUT_S)
    assert peer.transport.aborted
    assert peer.pool.held == []


def test_who_is_closing_is_let_go_already() -> None:
    peer = patient(idle_timeout_s=10)
    peer.send_close()
    look(peer, 30)
    assert peer.slot.history == [MARK]
    finish(peer)
    assert peer.close_code == 1000


def test_streams_are_counted_by_the_address_they_come_from() -> None:
    pool = FakePool(slots=9)
    doorway = doorway_of(pool, settings=ClientSettings(address_streams=1))
    first = Peer(pool=pool, doorway=doorway, address="192.0.2.1").open()
    second = Peer(pool=pool, doorway=doorway, address="192.0.2.1")
    second.send(second.request())
    check_refusal(second, 429, held_by_others=1)
    Peer(pool=pool, doorway=doorway, address="192.0.2.2").open()
    first.lose(None)
    Peer(pool=pool, doorway=doorway, address="192.0.2.1").open()


def test_a_balancer_is_told_whose_session_it_is() -> None:
    peer, token = House().begin()
    head = bytes(peer.transport.sent).partition(b"\r\n\r\n")[0].decode()
    assert f"\r\n{SESSION_HEADER}: {token}" in head
    other = Peer()
    other.send(other.request())
    assert SESSION_HEADER.encode() not in other.transport.sent


# -- a stream that the engine has lost


def test_a_lost_stream_is_told_and_closed_behind_its_results() -> None:
    peer = Peer().open()
    peer.send_audio(pcm(1, 2))
    peer.slot.endpoint("one")
    peer.slot.fault = "a record is not as it was written"
    peer.pump()
    assert peer.messages[0]["text"] == "one"
    assert "connect and send what no final covers again" in peer.messages[1]["info"]
    assert peer.statuses() == ["one", "error"]
    assert peer.close_code == 1011
    assert peer.pool.held == [], "the slot is another's"
    peer.half_close()
    check_over(peer)


def test_a_lost_stream_that_is_ending_waits_for_nothing() -> None:
    peer = Peer(ring_samples=2).open()
    peer.send_audio(pcm(1, 2))
    peer.send_audio(pcm(3, 4))
    peer.connection.go_away()
    peer.slot.fault = "bits"
    peer.pump()
    assert peer.close_code == 1011
    assert peer.transport.reading, "or the client's end would not be seen"


def test_a_lost_stream_without_a_connection_is_given_up() -> None:
    house = House()
    peer, token = house.begin()
    peer.slot.fault = "bits"
    slot = peer.slot
    peer.lose(None)
    assert house.pool.held == [slot]
    house.doorway.pump(0.0)
    house.doorway.look_at_the_clock(house.loop.time())
    assert house.pool.held == []
    check_refusal(house.visit(session=token), 410)
