"""Both sides know each other, or part with a line that says why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.tiers.frames import (
    VERSION,
    Challenge,
    Frame,
    Hello,
    Mark,
    Proof,
    Refused,
    Welcome,
)
from server.tiers.greeting import (
    GreetingError,
    LinkGreeting,
    RefusedError,
    ServerGreeting,
    offer,
)
from tests.server.tiers.examples import KEY, NONCE

OFFER = offer(bytes(16), 16_000, 4, 3)


def link() -> LinkGreeting:
    return LinkGreeting(KEY, NONCE)


def server(key: bytes = KEY) -> ServerGreeting:
    return ServerGreeting(key, NONCE[::-1], lambda: OFFER)


def talk(one: LinkGreeting, other: ServerGreeting) -> None:
    frames: list[Frame] = one.start()
    assert other.start() == []
    while frames:
        answers = [answer for frame in frames for answer in other.answer(frame)]
        frames = [answer for frame in answers for answer in one.answer(frame)]


def test_those_who_share_a_key_know_each_other() -> None:
    one, other = link(), server()
    talk(one, other)
    assert one.is_done
    assert other.is_done
    assert one.welcome is not None
    assert replace(one.welcome, proof=bytes(32)) == OFFER


def test_a_link_with_another_key_is_refused_and_told_nothing() -> None:
    one, other = link(), server(b"quite another key")
    with pytest.raises(RefusedError, match="different keys"):
        talk(one, other)
    assert not one.is_done
    assert not other.is_done


def test_a_server_with_another_key_is_found_out() -> None:
    """One that lets anybody in."""
    one = link()
    one.start()
    one.answer(Challenge(VERSION, NONCE))
    with pytest.raises(GreetingError, match="different keys"):
        one.answer(Welcome(bytes(32), bytes(16), 16_000, 4, 4))
    assert not one.is_done


def test_another_version_is_told_by_both() -> None:
    with pytest.raises(RefusedError, match=f"version 9 of the link and this side {VERSION}"):
        server().answer(Hello(9, NONCE))
    with pytest.raises(GreetingError, match="run the same release on both tiers"):
        link().answer(Challenge(9, NONCE))


def test_a_refusal_is_passed_on() -> None:
    with pytest.raises(GreetingError, match="it refuses: not today"):
        link().answer(Refused("not today"))


@pytest.mark.parametrize("frame", [Mark(1), Proof(bytes(32)), Challenge(VERSION, NONCE)])
def test_what_is_no_greeting_is_none(frame: Frame) -> None:
    with pytest.raises(GreetingError, match="does not greet as a WebSocket server does"):
        server().answer(frame)
    if not isinstance(frame, Challenge):
        with pytest.raises(GreetingError, match="does not greet as a model server does"):
            link().answer(frame)


def test_a_greeting_is_said_once() -> None:
    other = server()
    other.answer(Hello(VERSION, NONCE))
    with pytest.raises(GreetingError):
        other.answer(Hello(VERSION, NONCE))
    one = link()
    one.answer(Challenge(VERSION, NONCE))
    with pytest.raises(GreetingError):
        one.answer(Challenge(VERSION, NONCE))
