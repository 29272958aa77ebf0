"""A channel greets, passes frames on, pings, and notices who is gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tiers.channel import GREETING_TIMEOUT_S, PING_S, SILENT_S, Channel, ChannelError
from server.tiers.frames import Audio, Capacity, Frame, Mark, Ping, encode
from server.tiers.greeting import LinkGreeting, ServerGreeting, offer
from tests.server.tiers.examples import KEY, NONCE

OFFER = offer(bytes(16), 16_000, 4, 3)


def ends(key: bytes = KEY) -> tuple[Channel, Channel]:
    link = Channel(LinkGreeting(KEY, NONCE), 0.0)
    return link, Channel(ServerGreeting(key, NONCE, lambda: OFFER), 0.0)


def carry(one: Channel, other: Channel, now_s: float = 0.0) -> list[Frame]:
    """What ``one`` has to say, taken to the other."""
    return list(other.receive(one.outgoing(), now_s))


def opened() -> tuple[Channel, Channel]:
    link, server = ends()
    for _ in range(2):
        assert carry(link, server) == []
        assert carry(server, link) == []
    assert link.is_open
    assert server.is_open
    return link, server


def test_frames_pass_once_both_know_each_other() -> None:
    link, server = opened()
    link.send(Audio(1, bytes(2000)))
    link.send(Mark(1))
    assert link.unsent_bytes > 2000
    assert carry(link, server) == [Audio(1, bytes(2000)), Mark(1)]
    assert link.unsent_bytes == 0
    server.send(Capacity(2))
    assert carry(server, link) == [Capacity(2)]


def test_a_stranger_is_told_why_and_nothing_else() -> None:
    link, server = ends(b"another key entirely")
    carry(link, server)
    carry(server, link)
    with pytest.raises(ChannelError, match="different keys") as refused:
        carry(link, server)
    assert refused.value.lasting
    with pytest.raises(ChannelError, match="it refuses: the two sides have different keys") as told:
        carry(server, link)
    assert told.value.lasting


def test_before_it_greets_a_peer_sends_nothing_else() -> None:
    _, server = ends()
    with pytest.raises(ChannelError, match="does not greet"):
        list(server.receive(encode(Mark(1)), 0.0))
    _, server = ends()
    with pytest.raises(ChannelError, match="it sent a frame of 1005 bytes"):
        list(server.receive(encode(Audio(1, bytes(1000))), 0.0))


@given(st.binary(min_size=1, max_size=100))
def test_any_bytes_end_in_one_line_at_most(data: bytes) -> None:
    for channel in (*ends(), *opened()):
        said: list[str] = []
        try:
            list(channel.receive(data, 0.0))
        except ChannelError as error:
            said = str(error).splitlines()
        assert len(said) <= 1


def test_who_does_not_greet_is_given_up() -> None:
    _, server = ends()
    server.tick(GREETING_TIMEOUT_S)
    with pytest.raises(ChannelError, match="did not greet within 5 s"):
        server.tick(GREETING_TIMEOUT_S + 0.1)


def test_pings_are_answered_and_timed() -> None:
    link, server = opened()
    link.tick(PING_S - 0.1)
    assert link.outgoing() == b""
    link.tick(PING_S)
    assert carry(link, server, PING_S) == []
    assert carry(server, link, PING_S + 0.25) == []
    assert link.round_trip_s == pytest.approx(0.25)
    assert server.round_trip_s is None


def test_who_is_silent_is_gone() -> None:
    link, server = opened()
    link.tick(SILENT_S)
    server.send(Ping(7))
    carry(server, link, SILENT_S)
    link.tick(2 * SILENT_S)
    with pytest.raises(ChannelError, match="silent for 6 s") as gone:
        link.tick(2 * SILENT_S + 0.1)
    assert not gone.value.lasting
