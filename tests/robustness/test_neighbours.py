"""A well-behaved stream notices nothing of what others do on the same server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.conformance.client import Client
from tests.conformance.hypotheses import text_of
from tests.conformance.server_process import ServerProcess
from tests.conformance.speech import Clip, clips
from tests.conformance.spelling import SPEC, numbered_words, silence, spell
from tests.robustness.mischief import MISCHIEF

pytestmark = pytest.mark.server


@pytest.mark.parametrize("mischief", MISCHIEF, ids=lambda mischief: mischief.__name__)
def test_in_the_middle_of_an_utterance(
    server: ServerProcess, mischief: Callable[[str], None]
) -> None:
    with Client(server.url) as client:
        client.send_audio(spell("first half "))
        mischief(server.url)
        client.send_audio(spell("second half"))
        assert client.done()["text"] == "first half second half"


def test_all_at_once(server: ServerProcess) -> None:
    """Four who do everything that is wrong over and over, and one stream in lock step beside."""
    sentences = [numbered_words(12 * number, 12) for number in range(20)]
    over = threading.Event()

    def misbehave(first: int) -> None:
        turn = first
        while not over.is_set():
            MISCHIEF[turn % len(MISCHIEF)](server.url)
            turn += 1

    with ExitStack() as stack, Client(server.url) as client:
        for first in range(0, 12, 3):
            thread = threading.Thread(target=misbehave, args=(first,))
            thread.start()
            stack.callback(thread.join)
        stack.callback(over.set)
        for sentence in sentences:
            audio = spell(sentence)
            for start in range(0, audio.shape[0], SPEC.chunk_samples):
                client.send_audio(audio[start : start + SPEC.chunk_samples])
                if start + SPEC.chunk_samples <= audio.shape[0]:
                    assert sentence.startswith(client.receive()["text"])
            client.send_audio(silence(1.0))
            assert client.final()["text"] == sentence
    assert text_of(client.received) == " ".join(sentences)


def test_neighbours_do_not_mix(server: ServerProcess) -> None:
    """Six streams in step, chunk by chunk: each gets its own words."""
    texts = [numbered_words(1000 * number, 80) for number in range(6)]
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.url)) for _ in texts]
        pieces = [spell(text) for text in texts]
        for start in range(0, pieces[0].shape[0], SPEC.chunk_samples):
            for client, audio in zip(clients, pieces, strict=True):
                client.send_audio(audio[start : start + SPEC.chunk_samples])
        assert [client.done()["text"] for client in clients] == texts


def test_a_transcript_is_the_same_alone_and_in_company() -> None:
    """Both passes of the bundled models: text, times and confidences of every final."""
    mine, *others = clips(4)
    with ServerProcess("--beam-size", "100", "--slots", "4") as server:
        alone = finals_of(server.url, mine)
        with ExitStack() as stack:
            for other in others:
                client = stack.enter_context(Client(server.url))
                client.send_audio(other.audio)
                client.send("done")
            assert finals_of(server.url, mine) == alone
    assert any(words for _, _, words in alone), "there was something to hear"


def finals_of(url: str, clip: Clip) -> list[tuple[str, float, list[dict[str, Any]]]]:
    """All that finals say of a clip, but for their names."""
    with Client(url) as client:
        client.send_audio(clip.audio)
        client.send("done")
        messages = client.close()
    return [
        (message["text"], message["confidence"], message["words"])
        for message in messages
        if message.get("isFinal")
    ]
