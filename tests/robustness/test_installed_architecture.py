"""A model of somebody else's, which keeps state, is served: exactly, whatever dies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conformance.client import Client
from tests.conformance.hypotheses import text_of
from tests.conformance.server_process import ServerProcess
from tests.conformance.spelling import FRAME_MS, numbered_words, silence, spell
from tests.gpu_worker.acoustic.late_echo import DELAY_FRAMES, LOUDNESS, install, model_directory
from tests.robustness.test_killing import kill, receive_until

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("installed")
    install(folder / "package")
    model = model_directory(folder / "model")
    flags = ("--model", str(model), "--beam-size", "20", "--slots", "3", "--intermed-partials")
    environment = {"PYTHONPATH": str(folder / "package")}
    with ServerProcess(*flags, environment=environment) as server:
        yield server


def said(text: str) -> NDArray[np.int16]:
    """`spell`, as a tone."""
    samples = spell(text) * LOUDNESS
    samples[::2] *= -1
    return samples


def test_a_killed_worker_hears_the_utterance_again(server: ServerProcess) -> None:
    words = numbered_words(0, 60).split()
    with Client(server.url) as client:
        client.send_audio(said(" ".join(words[:30]) + " "))
        receive_until(client, words[20])
        kill(server, "worker 0")
        client.send_audio(said(" ".join(words[30:])))
        client.send_audio(silence(DELAY_FRAMES * FRAME_MS / 1000))
        assert client.done()["text"] == " ".join(words)


def test_a_pause_that_ends_nothing_is_heard_once(server: ServerProcess) -> None:
    """To ask the model about it would be to tell it the chunk twice."""
    sentences = [numbered_words(20 * number, 7 + number % 5) for number in range(12)]
    with Client(server.url) as client:
        for sentence in sentences:
            client.send_audio(said(sentence))
            client.send_audio(silence(1.0))
        client.send_audio(silence(DELAY_FRAMES * FRAME_MS / 1000))
        client.close()
    assert "".join(text_of(client.received).split()) == "".join("".join(sentences).split())
