"""Rounds, comparisons and kills of a chaos run, and a short run against a real server."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from bench.chaos.__main__ import Comparison, rounds_of
from bench.chaos.killing import Killer
from bench.chaos.rounds import DONE, MESSAGE_BYTES, ChaosError, Heard, Round, canonical, play
from tests.conformance.conftest import echo_flags
from tests.conformance.server_process import ServerProcess
from tests.conformance.spelling import ENDPOINT_S, numbered_words, silence, spell

PAUSE = silence(ENDPOINT_S).tobytes()


def final(text: str) -> str:
    return canonical({"msgId": "1", "text": text, "words": [{"text": w} for w in text.split()]})


def test_a_round_ends_its_utterances_in_three_ways() -> None:
    said = Round.of("round", [b"a" * 5000, b"b" * 10, b"c" * 20], pause=b"p" * 100)
    assert said.messages == (
        b"a" * MESSAGE_BYTES,
        b"a" * (5000 - MESSAGE_BYTES) + b"p" * 100,
        b"b" * 10,
        DONE,
        b"c" * 20,
    )


def test_rounds_differ() -> None:
    rounds = rounds_of([bytes([number]) for number in range(20)], 6)
    assert len({said.messages for said in rounds}) == 6


def test_a_final_is_the_same_whatever_its_id() -> None:
    assert canonical({"msgId": "1", "text": "a"}) == canonical({"text": "a", "msgId": "2"})
    assert canonical({"msgId": "1", "text": "a"}) != canonical({"msgId": "1", "text": "b"})


@pytest.mark.parametrize("heard", [[], ["a b"], ["a b", "c", "c"], ["a b", "d"], ["c", "a b"]])
def test_what_is_lost_doubled_changed_or_swapped_is_told(heard: list[str]) -> None:
    found = Comparison()
    expected = Heard([final("a b"), final("c")], [1.0, 2.0])
    texts = [final(text) for text in heard]
    found.add(Round("round 3", ()), expected, Heard(texts, [1.0] * len(heard)))
    assert len(found.differences) == 1
    assert found.differences[0].startswith("round 3: ")


def test_how_much_later_finals_came() -> None:
    found = Comparison()
    expected = Heard([final("a b"), final("c")], [1.0, 2.0])
    found.add(Round("round", ()), expected, Heard(expected.finals, [1.5, 2.0]))
    assert (found.rounds, found.finals, found.words) == (1, 2, 3)
    assert found.differences == []
    assert found.later_ms == [500, 0]


@pytest.mark.server
def test_finals_under_fire_are_those_of_before() -> None:
    """With the echo model; `main` does the same with the bundled one, for twenty minutes."""
    sentences = [numbered_words(20 * number, 20) for number in range(3)]
    said = Round.of("round", [spell(text).tobytes() for text in sentences], pause=PAUSE)
    with ServerProcess("--standby", *echo_flags()) as server:
        expected = asyncio.run(play(server.url, said))
        assert [json.loads(final)["text"] for final in expected.finals] == sentences
        killer = Killer(server.pid, ("worker", "decoder"), 2.0, stop_share=0.0, seed=3)

        async def under_fire() -> Heard:
            async with asyncio.TaskGroup() as group:
                group.create_task(killer.run(4))
                playing = group.create_task(play(server.url, said))
            return playing.result()

        assert asyncio.run(under_fire()).finals == expected.finals
    assert [kill.number for kill in killer.kills] == [signal.SIGKILL] * 4
    assert all(kill.back_after_s is not None for kill in killer.kills)


@pytest.mark.server
def test_a_server_that_refuses_is_an_error_of_the_run() -> None:
    with (
        ServerProcess(*echo_flags()) as server,
        pytest.raises(ChaosError, match="round 1: "),
    ):
        asyncio.run(play(server.url + "/nowhere", Round("round 1", ())))
