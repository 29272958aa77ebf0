"""Processes are killed: words are not lost while the supervisor lives, and nothing survives it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.footprint import processes
from tests.conformance.client import Client
from tests.conformance.hypotheses import Message, text_of
from tests.conformance.server_process import HOST, ServerProcess
from tests.conformance.spelling import numbered_words, silence, spell
from tests.conformance.waiting import wait_until
from tests.robustness.conftest import FLAGS
from tests.robustness.test_crowd import assert_every_slot_works
from tests.server.processes import children_of

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    "victims",
    [["worker 0"], ["decoder 0"], ["worker 0", "decoder 0"], ["worker 0", "worker 0"]],
    ids=" and ".join,
)
def test_killed_in_the_middle_of_an_utterance(server: ServerProcess, victims: list[str]) -> None:
    """The final is exact, and what was settled before the death still is."""
    words = numbered_words(0, 60).split()
    step = len(words) // (len(victims) + 1)
    with Client(server.url) as client:
        for number, victim in enumerate(victims):
            client.send_audio(spell(" ".join(words[number * step : (number + 1) * step]) + " "))
            heard = receive_until(client, words[(number + 1) * step - 5])
            kill(server, victim)
        client.send_audio(spell(" ".join(words[len(victims) * step :])))
        final = client.done()
    assert final["text"] == " ".join(words)
    settled = [word for word in heard["words"] if not word["intermed"]]
    assert final["words"][: len(settled)] == settled


@pytest.mark.parametrize("victim", ["worker 0", "decoder 0"])
def test_killed_between_many_utterances(server: ServerProcess, victim: str) -> None:
    """With a backlog of utterances: every word once, in order."""
    sentences = [numbered_words(9 * number, 9) for number in range(30)]
    with Client(server.url) as client:
        for sentence in sentences[:15]:
            client.send_audio(spell(sentence))
            client.send_audio(silence(1.0))
        client.final()
        client.final()
        kill(server, victim)
        for sentence in sentences[15:]:
            client.send_audio(spell(sentence))
            client.send_audio(silence(1.0))
        client.close()
    assert text_of(client.received) == " ".join(sentences)


def test_a_killed_frontend_takes_only_its_connections() -> None:
    """Sockets cannot be saved, but slots are; and whoever connects again is served."""
    with ServerProcess(*FLAGS) as server:
        with Client(server.url) as client:
            client.send_audio(spell("cut off in the middle of a sentence"))
            receive_until(client, "middle")
            kill(server, "frontend 0")
            assert text_of(client.until_closed()) == ""
            assert client.close_code == 1006
        wait_until(lambda: "frontend 0" in processes(server.pid), "a new frontend")
        assert_every_slot_works(server)


@pytest.mark.slow
def test_a_stuck_worker_is_replaced(server: ServerProcess) -> None:
    """Stopped, not dead: its heartbeat gives it away."""
    with Client(server.url) as client:
        client.send_audio(spell("before it got stuck "))
        receive_until(client, "it")
        worker = processes(server.pid)["worker 0"]
        os.kill(worker, signal.SIGSTOP)
        client.send_audio(spell("and after"))
        assert client.done()["text"] == "before it got stuck and after"
    assert not lives(worker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_finalises_and_leaves_nothing(number: signal.Signals) -> None:
    with ServerProcess(*FLAGS) as server:
        everything = processes(server.pid).values()
        assert_no_named_memory(everything)
        with Client(server.url) as client:
            client.send_audio(spell("these are the last words"))
            receive_until(client, "these")
            os.kill(server.pid, number)
            assert text_of(client.until_closed()) == "these are the last words"
            assert client.close_code == 1001
        assert server.wait() == 0
        assert not any(lives(pid) for pid in everything)
        assert_port_is_free(server.port)


def test_an_utterance_may_end_before_the_server_does() -> None:
    """Within the time for it; also if a worker dies then. Who says nothing is not waited for."""
    with ServerProcess(*FLAGS, "--drain-s", "300") as server:
        with Client(server.url) as speaking, Client(server.url) as silent:
            speaking.send_audio(spell("an utterance that"))
            receive_until(speaking, "an")
            os.kill(server.pid, signal.SIGTERM)
            assert silent.until_closed() == []
            assert silent.close_code == 1001
            os.kill(processes(server.pid)["worker 0"], signal.SIGKILL)
            speaking.send_audio(spell(" is said to its end"))
            speaking.send_audio(silence(2.0))
            assert text_of(speaking.until_closed()) == "an utterance that is said to its end"
            assert speaking.close_code == 1001
        assert server.wait() == 0


def test_a_killed_supervisor_leaves_nothing() -> None:
    with ServerProcess(*FLAGS) as server:
        everything = processes(server.pid).values()
        with Client(server.url) as client:
            client.send_audio(spell("in the middle of a sentence"))
            receive_until(client, "in")
            assert_no_named_memory(everything)
            server.kill()
            client.until_closed()
        wait_until(lambda: not any(lives(pid) for pid in everything), "the children have ended")
        assert_port_is_free(server.port)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_who_stands_by_ends_with_the_supervisor(number: signal.Signals) -> None:
    """Also who was forked by another, before and after that one's death."""
    with ServerProcess(*FLAGS, "--standby") as server:
        for _ in range(2):
            worker = processes(server.pid)["worker 0"]
            wait_until(lambda pid=worker: children_of(pid), "a successor stands by")
            kill(server, "worker 0")
            wait_until(lambda: "worker 0" in processes(server.pid), "it serves")
        everything = descendants(server.pid)
        os.kill(server.pid, number)
        server.wait()
        wait_until(lambda: not any(lives(pid) for pid in everything), "all have ended")


def descendants(pid: int) -> set[int]:
    children = children_of(pid)
    return children.union(*(descendants(child) for child in children))


def receive_until(client: Client, word: str) -> Message:
    """The first partial that holds ``word``."""
    while word not in (message := client.receive())["text"].split():
        assert not message["isFinal"], message
    return message


def kill(server: ServerProcess, name: str) -> None:
    """SIGKILL, once the process is there; returns when it is dead."""
    wait_until(lambda: name in processes(server.pid), f"{name} runs")
    pid = processes(server.pid)[name]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not lives(pid), f"{name} is dead")


def lives(pid: int) -> bool:
    """Whether a process exists and is not only waiting to be reaped."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def assert_no_named_memory(pids: Iterable[int]) -> None:
    """Nothing that the engine holds has a name in /dev/shm, so nothing can be left there."""
    for pid in pids:
        assert "/dev/shm" not in Path(f"/proc/{pid}/maps").read_text()
        links = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        assert not [link for link in links if link.startswith("/dev/shm")]


def assert_port_is_free(port: int) -> None:
    """Another server could listen there at once."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
