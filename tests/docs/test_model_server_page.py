"""docs/MODEL_SERVER.md: its frames are those of the code, and the bounds that it names."""

from __future__ import annotations

import re
from typing import get_args

from server.tiers import channel, dialling, frames, listener
from server.tiers.config import LINKED_SLOTS, MODEL_SERVER_PORT
from shm.layout import MARK_RECORDS
from tests.docs.pages import page

PAGE = page("MODEL_SERVER.md")


def test_every_frame_with_its_number() -> None:
    described = dict(
        re.findall(r"^\| (\d+) \| (\w+) \| (?:link|server|both) \|", PAGE, re.MULTILINE)
    )
    assert described == {str(frames.encode(example)[4]): type(example).__name__ for example in _ALL}


def test_the_bounds() -> None:
    for said in (
        f"Version {frames.VERSION}.",
        f"port {MODEL_SERVER_PORT}",
        f"1 to {frames.MAX_FRAME_BYTES:,}; at most {frames.MAX_GREETING_BYTES} until",
        f"`{frames.MAGIC.decode()}` (8 bytes)",
        f"1 to {frames.MAX_AUDIO_BYTES // 2:,} of them",
        f"at most {frames.MAX_REASON_CHARACTERS} characters",
        f"In this order, within {channel.GREETING_TIMEOUT_S:g} s",
        f"after {channel.SILENT_S:g} s without a byte",
        f"At most {MARK_RECORDS} marks",
        f"looked up again every {dialling.RESOLVE_S:g} s",
        f"after {dialling.BACK_OFF_S[0]:g} s, then up to {dialling.BACK_OFF_S[-1]:g} s apart",
        f"latest after {listener.DRAIN_TIMEOUT_S:g} s",
        f"streams of this machine at most | {LINKED_SLOTS} |",
    ):
        assert said in PAGE, said


_ALL = (
    frames.Hello(frames.VERSION, bytes(frames.NONCE_BYTES)),
    frames.Challenge(frames.VERSION, bytes(frames.NONCE_BYTES)),
    frames.Proof(bytes(frames.PROOF_BYTES)),
    frames.Welcome(bytes(frames.PROOF_BYTES), bytes(frames.SERVER_ID_BYTES), 16_000, 1, 1),
    frames.Refused("no"),
    frames.Open(1, 0, 0),
    frames.Full(1),
    frames.Credit(1, 0, 0),
    frames.Audio(1, bytes(2)),
    frames.Mark(1),
    frames.Release(1),
    frames.Result(1, frames.Hypothesis((), 0.0, True), True, 1, 0, 1, 0),
    frames.Capacity(1),
    frames.Ping(1),
    frames.Pong(1),
    frames.Drain(),
)


def test_no_frame_is_forgotten_here() -> None:
    assert {type(example) for example in _ALL} == set(get_args(frames.Frame))
