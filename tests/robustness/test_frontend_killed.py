"""A frontend dies with its connections; whoever comes back to its session goes on with it."""

from __future__ import annotations

import random

import pytest

from tests.conformance.breaking_client import BreakingClient
from tests.conformance.client import Client
from tests.conformance.server_process import ServerProcess
from tests.conformance.test_sessions import AUDIO, BYTES_PER_S, SENTENCES
from tests.conformance.two_tiers import LinkedServer, ModelServer
from tests.robustness.conftest import FLAGS
from tests.robustness.test_crowd import assert_every_slot_works
from tests.robustness.test_killing import kill
from tests.robustness.test_two_tiers import ENGINE

pytestmark = pytest.mark.server


@pytest.mark.parametrize("seed", range(3))
def test_every_word_once(seed: int) -> None:
    """Killed while audio is sent, while nobody is connected, and with a final under way."""
    with ServerProcess(*FLAGS) as server:
        kill_three_times(server, seed)


def test_over_two_tiers_as_well() -> None:
    """The link goes on while nobody holds the slot."""
    with (
        ModelServer(*ENGINE) as model,
        LinkedServer([model.address], environment={"INTERMED_PARTIALS": "True"}) as server,
    ):
        kill_three_times(server, seed=3)


def test_whichever_of_several_dies() -> None:
    """The others take its sessions, without waiting for its successor."""
    with ServerProcess(*FLAGS, "--frontends", "3") as server:
        kill_three_times(server, seed=4, frontends=3)


def kill_three_times(server: ServerProcess, seed: int, frontends: int = 1) -> None:
    rng = random.Random(seed)

    def kill_one() -> None:
        kill(server, f"frontend {rng.randrange(frontends)}")

    with BreakingClient(server, AUDIO) as client:
        client.connect()
        client.send_part(rng.randrange(6 * BYTES_PER_S), rng.randrange(2000))
        client.read_what_comes(rng.choice([0.0, 0.05]))
        kill_one()
        client.lose("reset")
        client.connect(names_last=bool(rng.getrandbits(1)))
        client.send_part(rng.randrange(12 * BYTES_PER_S), 0)
        client.lose(rng.choice(["reset", "end"]))
        kill_one()
        client.connect()
        client.finish()
        kill_one()
        client.lose("reset")
        ready = client.connect()
        assert (ready["audioBytes"], ready["dones"]) == (2 * AUDIO.shape[0], 2)
    seen = {message["msgId"]: message for message in client.messages if message.get("isFinal")}
    assert [final["text"] for final in seen.values() if final["words"]] == SENTENCES


def test_those_that_do_not_come_back_leave_their_slots() -> None:
    with ServerProcess(*FLAGS, "--keep-session-s", "1") as server:
        clients = [Client(server.url, "/?session=new") for _ in range(3)]
        clients += [Client(server.url) for _ in range(3)]
        kill(server, "frontend 0")
        for client in clients:
            assert client.until_closed() == []
            assert client.close_code == 1006
        assert_every_slot_works(server)
