"""The first frames of a connection, on either side, until both know that they share a key. Pure.

    link  Hello ->  Challenge <-  Proof ->  Welcome <-  model server

Before its link has proven that it knows the key, a model server says nothing else but why it
refuses. A greeting takes frames and gives frames; it is over once `is_done`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from server.tiers import keys
from server.tiers.frames import (
    PROOF_BYTES,
    VERSION,
    Challenge,
    Frame,
    Hello,
    Proof,
    Refused,
    Welcome,
)

WRONG_KEY: Final = (
    "the two sides have different keys: give both the same MODELSERVER_KEY or key file"
)


class GreetingError(Exception):
    """The peer is not one to talk to; the message is one line and says what would be right."""


class RefusedError(GreetingError):
    """The same, found by this side: the peer is told before the connection is closed."""


class LinkGreeting:
    """The link's side. Once `is_done`, `welcome` is what the model server offers."""

    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._key = key
        self._hello = Hello(VERSION, nonce)
        self._challenge: Challenge | None = None
        self.welcome: Welcome | None = None

    @property
    def is_done(self) -> bool:
        return self.welcome is not None

    def start(self) -> list[Frame]:
        """What to say at once."""
        return [self._hello]

    def answer(self, frame: Frame) -> list[Frame]:
        """What to say to ``frame``.

        Raises:
            GreetingError: refused, or no model server of this version that has the key.
        """
        if isinstance(frame, Refused):
            raise GreetingError(f"it refuses: {frame.reason}")
        if isinstance(frame, Challenge) and self._challenge is None:
            if frame.version != VERSION:
                raise GreetingError(other_version(frame.version))
            self._challenge = frame
            return [Proof(keys.link_proof(self._key, self._hello, frame))]
        if isinstance(frame, Welcome) and self._challenge is not None:
            expected = keys.server_proof(self._key, self._hello, self._challenge, frame)
            if not keys.same(frame.proof, expected):
                raise GreetingError(WRONG_KEY)
            self.welcome = frame
            return []
        raise GreetingError("it does not greet as a model server does")


class ServerGreeting:
    """The model server's side. ``offer`` says what it has, at the moment of the welcome."""

    def __init__(self, key: bytes, nonce: bytes, offer: Callable[[], Welcome]) -> None:
        self._key = key
        self._challenge = Challenge(VERSION, nonce)
        self._offer = offer
        self._hello: Hello | None = None
        self.is_done = False

    def start(self) -> list[Frame]:
        """What to say at once: nothing, to whoever connects."""
        return []

    def answer(self, frame: Frame) -> list[Frame]:
        """What to say to ``frame``.

        Raises:
            RefusedError: a link of another version, or one that does not have the key.
            GreetingError: no link at all.
        """
        if isinstance(frame, Hello) and self._hello is None:
            if frame.version != VERSION:
                raise RefusedError(other_version(frame.version))
            self._hello = frame
            return [self._challenge]
        if isinstance(frame, Proof) and self._hello is not None:
            if not keys.same(frame.proof, keys.link_proof(self._key, self._hello, self._challenge)):
                raise RefusedError(WRONG_KEY)
            self.is_done = True
            offer = self._offer()
            proof = keys.server_proof(self._key, self._hello, self._challenge, offer)
            return [replace(offer, proof=proof)]
        raise GreetingError("it does not greet as a WebSocket server does")


def offer(server_id: bytes, sample_rate_hz: int, slots: int, free: int) -> Welcome:
    """A welcome that still lacks its proof."""
    return Welcome(bytes(PROOF_BYTES), server_id, sample_rate_hz, slots, free)


def other_version(version: int) -> str:
    """Versions differ: which they are, and what to do."""
    return (
        f"it speaks version {version} of the link and this side {VERSION}: run the same release "
        "on both tiers"
    )
