"""The second pass is killed, again and again: no final is lost, and no word of one changes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from bench.footprint import processes
from tests.conformance.client import Client
from tests.conformance.hypotheses import text_of
from tests.conformance.server_process import ServerProcess
from tests.conformance.speech import RATE_HZ, clips
from tests.conformance.spelling import silence
from tests.conformance.waiting import wait_until
from tests.robustness.test_killing import kill, lives

pytestmark = pytest.mark.server

CLIPS = 2


@pytest.fixture(scope="module", params=[(), ("--standby",)], ids=["loaded anew", "standing by"])
def speech_server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    with ServerProcess("--beam-size", "50", "--slots", "2", *request.param) as server:
        yield server


@pytest.fixture(scope="module")
def undisturbed(speech_server: ServerProcess) -> list[str]:
    """What is heard in each clip."""
    found = []
    for clip in clips(CLIPS):
        with Client(speech_server.url) as client:
            client.send_audio(clip.audio)
            client.close()
        found.append(text_of(client.received))
    return found


def second_passes(server: ServerProcess) -> list[str]:
    """Their names, once there is one for each of the two slots or for the only core."""
    count = min(2, os.cpu_count() or 1)

    def found() -> list[str]:
        return [name for name in processes(server.pid) if name.startswith("second_pass")]

    wait_until(lambda: len(found()) == count, "every second pass runs")
    return found()


def kill_second_passes(server: ServerProcess) -> None:
    for name in second_passes(server):
        kill(server, name)


def test_killed_in_mid_stream(speech_server: ServerProcess, undisturbed: list[str]) -> None:
    """Within an utterance; its successor hears all of it."""
    found = []
    for clip in clips(CLIPS):
        half = clip.audio.shape[0] // 2
        with Client(speech_server.url) as client:
            client.send_audio(clip.audio[:half])
            kill_second_passes(speech_server)
            client.send_audio(clip.audio[half:])
            client.close()
        found.append(text_of(client.received))
    assert found == undisturbed


def test_killed_while_a_final_waits_for_it(
    speech_server: ServerProcess, undisturbed: list[str]
) -> None:
    """It is stopped first, so that it cannot answer before it dies."""
    names = second_passes(speech_server)
    victims = [processes(speech_server.pid)[name] for name in names]
    for victim in victims:
        os.kill(victim, signal.SIGSTOP)
    with Client(speech_server.url) as client:
        client.send_audio(clips(1)[0].audio)
        client.send("done")
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not any(lives(victim) for victim in victims), "they are dead")
        assert client.final()["text"] == undisturbed[0]


def test_killed_again_and_again(speech_server: ServerProcess, undisturbed: list[str]) -> None:
    """As they load and while they hear: none of it is the utterance's doing."""
    with Client(speech_server.url) as client:
        client.send_audio(clips(1)[0].audio)
        client.send("done")
        for _ in range(4):
            kill_second_passes(speech_server)
        assert client.final()["text"] == undisturbed[0]


def test_everybody_is_killed(speech_server: ServerProcess, undisturbed: list[str]) -> None:
    """With both models loaded: their successors are the same to the last word."""
    found = []
    for clip in clips(CLIPS):
        victims = ["worker 0", "decoder 0", *second_passes(speech_server)]
        parts = np.array_split(clip.audio, len(victims) + 1)
        with Client(speech_server.url) as client:
            for part, victim in zip(parts, victims, strict=False):
                client.send_audio(part)
                kill(speech_server, victim)
            client.send_audio(parts[-1])
            client.close()
        found.append(text_of(client.received))
    assert found == undisturbed


def test_killed_while_a_client_leaves(speech_server: ServerProcess, undisturbed: list[str]) -> None:
    """Its slot is free for the next client, whose finals are its own."""
    for _ in range(2):
        with Client(speech_server.url) as client:
            client.send_audio(clips(1)[0].audio[: 3 * RATE_HZ])
            client.send_audio(silence(1.0))
        kill_second_passes(speech_server)
    with Client(speech_server.url) as client:
        client.send_audio(clips(1)[0].audio)
        client.done()
        assert text_of(client.received) == undisturbed[0]
