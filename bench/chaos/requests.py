"""Opening requests as bytes, and answers read from bytes: for clients without any manners."""

from __future__ import annotations

from typing import Final

from bench.chaos.rounds import TARGET

DEFLATE: Final = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"


def opening_request(*more_headers: str, key: str | None = None) -> bytes:
    """A request for a stream of 16 kHz audio."""
    if key is not None:
        more_headers = (*more_headers, f"Authorization: Bearer {key}")
    lines = (
        f"GET {TARGET} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==",
        "Sec-WebSocket-Version: 13",
        *more_headers,
    )
    return "\r\n".join((*lines, "", "")).encode()


def status_of(head: bytes) -> int:
    """The HTTP status in the first line of an answer; 0 if that is none."""
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def header_of(head: bytes, name: str) -> str | None:
    """A header of an answer, None if it is not there."""
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.decode("latin-1").lower() == name.lower():
            return value.strip().decode("latin-1")
    return None
