"""Coming back to a session after its connection broke, against the real server (ours)."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from tests.conformance.breaking_client import BREAKS, BreakingClient
from tests.conformance.client import Client, RawClient, audio_frames, query, refusal
from tests.conformance.conftest import Tiers, echo_flags
from tests.conformance.metrics import figure
from tests.conformance.server_process import ServerProcess
from tests.conformance.spelling import ENDPOINT_S, numbered_words, silence, spell
from tests.conformance.waiting import wait_until

pytestmark = pytest.mark.server

SENTENCES = [numbered_words(4 * number, 4) for number in range(8)]
AUDIO = np.concatenate(
    [piece for sentence in SENTENCES for piece in (spell(sentence), silence(ENDPOINT_S))]
)
BYTES_PER_S = 32_000
MANY = 40


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("seed", range(4))
def test_every_word_once_wherever_the_connection_breaks(
    echo_server: ServerProcess, how: str, seed: int
) -> None:
    break_five_times(echo_server, how, seed)


@pytest.mark.slow
@pytest.mark.parametrize("how", BREAKS)
def test_every_word_once_over_many_breaks(echo_server: ServerProcess, how: str) -> None:
    for seed in range(100, 100 + MANY):
        break_five_times(echo_server, how, seed)


def break_five_times(echo_server: ServerProcess, how: str, seed: int) -> None:
    """Sends `AUDIO` over six connections, and looks for every word of it."""
    rng = random.Random(f"{how} {seed}")
    with BreakingClient(echo_server, AUDIO) as client:
        received = 0
        for _ in range(5):
            ready = client.connect(names_last=bool(rng.getrandbits(1)))
            assert ready["audioBytes"] >= received
            received = ready["audioBytes"]
            client.send_part(rng.randrange(6 * BYTES_PER_S), rng.randrange(2000))
            client.read_what_comes(rng.choice([0.0, 0.0, 0.01, 0.05]))
            client.lose(how)
        client.connect()
        client.finish()
        client.lose(how)
        ready = client.connect()
        assert (ready["audioBytes"], ready["dones"]) == (2 * AUDIO.shape[0], 2)
    seen = {message["msgId"]: message for message in client.messages if message.get("isFinal")}
    assert [final["text"] for final in seen.values() if final["words"]] == SENTENCES
    times = [word["start"] for final in seen.values() for word in final["words"]]
    assert times == sorted(times)


def test_a_final_that_was_not_received_comes_again(echo_server: ServerProcess) -> None:
    with BreakingClient(echo_server, spell("said once")) as client:
        client.connect()
        client.finish()
        got = list(client.messages)
        client.messages = []
        client.lose("reset")
        client.connect()
        client.read(len(got))
        assert client.messages == got, "with the same msgId: a client drops what it knows"
        client.messages = got[:-1]
        client.lose("reset")
        client.connect()
        client.read(1)
        assert client.messages == got


def test_what_the_server_has_is_said_in_bytes_of_the_client(echo_server: ServerProcess) -> None:
    """8 kHz: half of what the engine hears."""
    target = "/?session=new"
    with RawClient(echo_server.url, target) as line:
        line.send(line.handshake + audio_frames(np.zeros(3000, np.int16), 8000))
        token = next(line.messages())["session"]
        line.vanish()
    with RawClient(echo_server.url, f"/?session={token}") as line:
        line.send(line.handshake)
        assert next(line.messages())["audioBytes"] == 6000
        line.send(line.close_frame())
        assert [message["text"] for message in line.messages()] == []


def test_nothing_is_different_for_a_client_that_does_not_ask(echo_server: ServerProcess) -> None:
    with Client(echo_server.url) as client:
        assert set(client.ready) == {"status", "info", "msgId"}


@pytest.mark.parametrize(
    ("target", "status", "said"),
    [
        (f"{query()}&session=never-given", 410, "Connect with session=new"),
        ("/?session=", 400, "session must be new"),
        ("/?lastMsgId=1", 400, "needs the session"),
    ],
)
def test_a_session_that_is_not_there(
    echo_server: ServerProcess, target: str, status: int, said: str
) -> None:
    refused = refusal(echo_server.url, target)
    assert (refused.status, said in refused.body["info"]) == (status, True)


def test_a_session_has_the_parameters_that_it_was_begun_with(echo_server: ServerProcess) -> None:
    with BreakingClient(echo_server, spell("the same")) as client:
        client.connect()
        client.lose("reset")
        refused = refusal(echo_server.url, f"{query(8000)}&session={client.token}")
        assert refused.status == 409
        assert "sampleRate=16000" in refused.body["info"]
        client.connect()
        client.finish()
        assert client.finals() == ["the same"]


def test_a_close_ends_the_session(echo_server: ServerProcess) -> None:
    with Client(echo_server.url, f"{query()}&session=new") as client:
        client.send_audio(spell("good bye"))
        assert [message["text"] for message in client.close()] == ["good bye"]
    assert refusal(echo_server.url, f"{query()}&session={client.ready['session']}").status == 410


def test_of_two_connections_the_newer_one_has_the_session(echo_server: ServerProcess) -> None:
    with Client(echo_server.url, f"{query()}&session=new") as old:
        old.send_audio(spell("begun here"))
        wait_until(lambda: figure(echo_server, "streams") >= 1, "the stream is there")
        target = f"{query()}&session={old.ready['session']}"
        with Client(echo_server.url, target) as new:
            missing = spell("begun here").tobytes()[new.ready["audioBytes"] :]
            assert old.until_closed() is not None
            assert old.close_code == 1008
            new.send_audio(missing)
            new.sent_bytes = old.sent_bytes
            assert new.done()["text"] == "begun here"


@pytest.fixture(scope="module")
def hasty_server(tiers: Tiers) -> Iterator[ServerProcess]:
    """It keeps a session for one second, and has one slot."""
    environment = {"REALTIME_ENGINE_KEEP_SESSION_S": "1"}
    with tiers(*echo_flags()[:-1], "1", environment=environment) as server:
        yield server


def test_after_its_time_a_session_is_given_up(hasty_server: ServerProcess) -> None:
    before = figure(hasty_server, "streams_given_up_total")
    with BreakingClient(hasty_server, spell("too late")) as client:
        client.connect()
        client.lose("reset")
        wait_until(
            lambda: figure(hasty_server, "streams_given_up_total") > before, "it is given up"
        )
        refused = refusal(hasty_server.url, f"{query()}&session={client.token}")
        assert (refused.status, "kept for 1 s" in refused.body["info"]) == (410, True)
    wait_until(lambda: figure(hasty_server, "streams") == 0, "its slot is free")
    with Client(hasty_server.url) as client:
        client.send_audio(spell("next please"))
        assert client.done()["text"] == "next please"


def test_where_none_are_kept(tiers: Tiers) -> None:
    with (
        tiers(*echo_flags(), environment={"REALTIME_ENGINE_KEEP_SESSION_S": "0"}) as server,
        Client(server.url, f"{query()}&session=new") as client,
    ):
        assert "session" not in client.ready
        refused = refusal(server.url, f"{query()}&session=a-token")
        assert (refused.status, "keeps no sessions" in refused.body["info"]) == (410, True)


@pytest.mark.parametrize("how", BREAKS)
def test_several_frontends_hand_a_session_on(tiers: Tiers, how: str) -> None:
    """Whichever of them accepts the client has it."""
    if tiers is not ServerProcess:
        pytest.skip("the frontends are those of the WebSocket server in both shapes")
    with ServerProcess(*echo_flags(), "--frontends", "3") as server:
        for seed in range(3):
            break_five_times(server, how, seed)
