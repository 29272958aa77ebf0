"""The key that a WebSocket server and its model servers share, and the proofs of knowing it. Pure.

Each side proves it by an HMAC-SHA256 over what both have said, nonces first, so that a proof is of
no use on another connection nor for the other side. The link proves it first: who does not know
the key gets nothing from a model server that a guess could be tried on.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from server.tiers.frames import Challenge, Hello, Welcome, encode

KEY_VARIABLE: Final = "MODELSERVER_KEY"
MIN_KEY_BYTES: Final = 16

_LINK: Final = b"realtime-engine link\0"
_SERVER: Final = b"realtime-engine model server\0"


class KeyFileError(Exception):
    """There is no usable key; the message is one line and says what would be right."""


def load_key(path: Path | None, environment: Mapping[str, str]) -> bytes:
    """The key in a file, without the blanks around it, or that of the environment.

    Raises:
        KeyFileError: no key, two, an unreadable file, or one that is too short to be a secret.
    """
    given = environment.get(KEY_VARIABLE, "")
    if path is not None and given:
        raise KeyFileError(f"{KEY_VARIABLE} and --modelserver-key-file are both set: keep one")
    if path is None and not given:
        raise KeyFileError(
            "the key that WebSocket servers and model servers share is missing: set "
            f"{KEY_VARIABLE} or --modelserver-key-file (a new one: openssl rand -hex 32)"
        )
    source = f"--modelserver-key-file {path}" if path is not None else KEY_VARIABLE
    try:
        key = path.read_bytes().strip() if path is not None else given.strip().encode()
    except OSError as error:
        raise KeyFileError(
            f"{source} cannot be read ({error.strerror}): give a file that this user may read"
        ) from error
    if len(key) < MIN_KEY_BYTES:
        raise KeyFileError(
            f"{source} has a key of {len(key)} bytes, and it takes {MIN_KEY_BYTES}: make one by "
            "openssl rand -hex 32"
        )
    return key


def link_proof(key: bytes, hello: Hello, challenge: Challenge) -> bytes:
    """What the link says to a model server's challenge."""
    return hmac.digest(key, _LINK + encode(hello) + encode(challenge), "sha256")


def server_proof(key: bytes, hello: Hello, challenge: Challenge, offer: Welcome) -> bytes:
    """What the model server says in return; it covers the rest of its ``offer`` as well."""
    bare = Welcome(bytes(32), offer.server_id, offer.sample_rate_hz, offer.slots, offer.free)
    said = encode(hello) + encode(challenge) + encode(bare)
    return hmac.digest(key, _SERVER + said, "sha256")


def same(one: bytes, other: bytes) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(one, other)
