"""More clients than slots: the surplus is told so, and nobody's slot is lost by it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.conformance.client import Client, Refusal, knock
from tests.conformance.server_process import ServerProcess
from tests.conformance.spelling import numbered_words, spell
from tests.conformance.waiting import wait_until
from tests.robustness.conftest import SLOTS

pytestmark = pytest.mark.server

CROWD = 50


def test_fifty_at_once(server: ServerProcess) -> None:
    with ThreadPoolExecutor(CROWD) as pool, ExitStack() as stack:
        answers = list(pool.map(knock, [server.url] * CROWD))
        accepted = [stack.enter_context(a) for a in answers if isinstance(a, Client)]
        refused = [answer for answer in answers if isinstance(answer, Refusal)]
        assert len(accepted) == SLOTS
        for refusal in refused:
            assert refusal.status == 503
            assert int(refusal.headers["retry-after"]) > 0
            assert refusal.body["status"] == "service_unavailable"
        assert_own_words(accepted)
    assert_every_slot_works(server)


def test_the_refused_are_let_in_when_others_leave(server: ServerProcess) -> None:
    """Many rounds of coming and going, in groups as large as the server."""
    for _ in range(10):
        assert_every_slot_works(server)


def assert_every_slot_works(server: ServerProcess) -> None:
    """All slots can be had at once, as soon as the server has seen that their holders left."""
    with ExitStack() as stack:
        clients: list[Client] = []

        def all_are_in() -> bool:
            answer = knock(server.url)
            if isinstance(answer, Client):
                clients.append(stack.enter_context(answer))
            return len(clients) == SLOTS

        wait_until(all_are_in, f"{SLOTS} clients are let in")
        assert isinstance(knock(server.url), Refusal)
        assert_own_words(clients)


def assert_own_words(clients: list[Client]) -> None:
    texts = [numbered_words(100 * number, 20) for number in range(len(clients))]
    for client, text in zip(clients, texts, strict=True):
        client.send_audio(spell(text))
    assert [client.done()["text"] for client in clients] == texts
