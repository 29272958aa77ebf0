"""What badly behaved clients do. Each returns when its connection is over."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import numpy as np

from tests.conformance.client import (
    MODEL_RATE_HZ,
    Client,
    RawClient,
    audio_frames,
    message_limit,
    text_frame,
)
from tests.conformance.spelling import silence, spell
from tests.conformance.waiting import PATIENCE_S

SECONDS: Final = 10
WORDS: Final = "nobody else should hear this"


def oversized(url: str) -> None:
    with Client(url) as client:
        client.send_audio(spell(WORDS))
        client.send(bytes(message_limit(MODEL_RATE_HZ) + 2))
        client.until_closed()


def huge(url: str) -> None:
    with Client(url) as client:
        client.send(bytes(20 << 20))
        client.until_closed()


def odd(url: str) -> None:
    with Client(url) as client:
        client.send_audio(spell(WORDS))
        client.send(bytes(333))
        client.until_closed()


def noise(url: str) -> None:
    rng = np.random.default_rng(1)
    with Client(url) as client:
        client.send_audio(rng.integers(-32_768, 32_768, SECONDS * MODEL_RATE_HZ, np.int16))
        client.close()


def clipping(url: str) -> None:
    square = np.tile(np.repeat(np.array([32_767, -32_768], np.int16), 80), SECONDS * 100)
    with Client(url) as client:
        client.send_audio(square)
        client.close()


def hours_of_nothing(url: str) -> None:
    with Client(url) as client:
        client.send_audio(silence(100))
        client.close()


def nonsense_texts(url: str) -> None:
    with Client(url) as client:
        for number in range(500):
            client.send(f"nonsense {number}")
        client.close()


def broken_frames(url: str) -> None:
    with RawClient(url) as client:
        client.send(client.handshake + audio_frames(spell(WORDS)) + bytes(range(128, 256)) * 10)
        list(client.messages())


def broken_text(url: str) -> None:
    with RawClient(url) as client:
        client.send(client.handshake + text_frame(b"\xc3\x28"))
        list(client.messages())


def no_http(url: str) -> None:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00 hello?\r\n\r\n" + bytes(10_000))
        with contextlib.suppress(ConnectionError):
            while connection.recv(4096):
                pass


def half_a_handshake(url: str) -> None:
    with RawClient(url) as client:
        client.send(client.handshake[: len(client.handshake) // 2])
        client.vanish()


def vanishing_mid_utterance(url: str) -> None:
    with RawClient(url) as client:
        client.send(client.handshake + audio_frames(spell(WORDS)))
        messages = client.messages()
        while not next(messages).get("text"):
            pass  # until some of it was heard
        client.vanish()


def vanishing_mid_frame(url: str) -> None:
    with RawClient(url) as client:
        client.send(client.handshake + audio_frames(spell(WORDS))[:-100])
        client.vanish()


def never_reading(url: str) -> None:
    """Asks for answers that it does not read, until the server has had enough of it."""
    questions = text_frame(b"?") * 10_000
    with RawClient(url) as client, contextlib.suppress(ConnectionError):
        client.send(client.handshake)
        for _ in range(100):
            client.send(questions)
        raise AssertionError("the server keeps a million unread answers")


MISCHIEF: Final[tuple[Callable[[str], None], ...]] = (
    oversized,
    huge,
    odd,
    noise,
    clipping,
    hours_of_nothing,
    nonsense_texts,
    broken_frames,
    broken_text,
    no_http,
    half_a_handshake,
    vanishing_mid_utterance,
    vanishing_mid_frame,
    never_reading,
)
