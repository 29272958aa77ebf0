"""Rounds, comparisons and kills of a chaos run, and a short run against a real server."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bench.chaos.__main__ import SCENARIOS, parsed
from bench.chaos.comparison import Comparison, beside, latencies, quantiles
from bench.chaos.killing import Killer
from bench.chaos.requests import header_of, opening_request, status_of
from bench.chaos.rounds import (
    DONE,
    MESSAGE_BYTES,
    ChaosError,
    Heard,
    Round,
    canonical,
    play,
    rounds_of,
)
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


def test_a_final_that_did_not_come_in_time_is_one_difference() -> None:
    found, said = Comparison(), Round("round 1", ())
    expected = Heard([final("a b")], [1.0])
    assert found.merge([said], [expected], [ChaosError("round 1: no end")]) == ["round 1: no end"]
    assert found.merge([said], [expected], [expected]) == []
    assert found.rounds == 2
    with pytest.raises(ValueError, match="ours"):
        found.merge([said], [expected], [ValueError("ours")])


def timed(*words: tuple[str, int]) -> str:
    """A final with the end of each word in ms."""
    return canonical({"words": [{"text": text, "end": end} for text, end in words]})


def test_what_is_waited_for_is_the_final_of_the_audio_before_done() -> None:
    """An endpoint's final before it, an empty answer right behind one, the next utterance."""
    finals = [
        timed(("a", 900)),
        timed(("b", 1900)),
        timed(),
        timed(("c", 2800)),
        timed(("d", 4000)),
    ]
    asked = [(2.0, 2.0), (3.0, 3.0), (4.0, 4.5)]
    heard = Heard(finals, [1.6, 2.25, 2.5, 3.7, 4.75], asked)
    assert heard.done_to_final_s == [0.5, pytest.approx(0.7), 0.25]


def test_nothing_was_waited_for_where_an_endpoint_came_first() -> None:
    assert Heard([timed(("a", 900))], [1.6], [(2.0, 2.0)]).done_to_final_s == []


def test_latencies_stand_beside_undisturbed_ones() -> None:
    quiet = latencies([Heard([timed()], [1.1], [(1.0, 1.0)], [0.2])])
    loud = latencies([Heard([timed()], [1.2], [(1.0, 1.0)]), ChaosError("cut off")])
    (line,) = beside("attacked", loud, quiet)
    assert line.split() == ["attacked", "done", "to", "final", "1", *["200", "ms"] * 3, "2.00"]


def test_quantiles_of_nothing_are_none() -> None:
    assert quantiles([]) == {"count": 0}


def test_a_round_may_be_of_any_length_and_cut_off() -> None:
    (said,) = rounds_of([bytes(32_000)] * 3, 1, seconds=7)
    assert 7 <= said.seconds < 14
    assert said.until(0.5).messages == said.messages[: round(len(said.messages) / 2)]


def test_a_request_is_one_that_a_server_reads() -> None:
    protocol = ServerProtocol()
    protocol.receive_data(opening_request("X-More: 1", key="a-key"))
    (request,) = protocol.events_received()
    assert isinstance(request, Request)
    assert request.headers["Authorization"] == "Bearer a-key"
    response = protocol.accept(request)
    assert response.status_code == 101
    assert status_of(response.serialize()) == 101
    assert header_of(response.serialize(), "upgrade") == "websocket"
    assert header_of(response.serialize(), "Retry-After") is None
    assert status_of(b"no answer") == status_of(b"") == 0


def test_the_command_line() -> None:
    options = parsed(["--kills", "12", "--", "--beam-size", "20"])
    assert (options.scenario, options.kills) == ("all", 12)
    assert options.server_flags == ["--beam-size", "20"]
    for name in SCENARIOS:
        assert parsed([name, "--streams", "3"]).scenario == name


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
