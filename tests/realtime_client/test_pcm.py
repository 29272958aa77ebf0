"""realtime_client/pcm.py: what is taken for audio."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest

from realtime_client.errors import AudioError
from realtime_client.pcm import pcm_bytes


@pytest.mark.parametrize(
    "pcm",
    [
        b"\x01\x00\xfe\xff",
        bytearray(b"\x01\x00\xfe\xff"),
        memoryview(b"\x01\x00\xfe\xff"),
        array("h", [1, -2]),
        np.array([1, -2], np.int16),
        np.array([1, 0, -2, 0], np.int16)[::2],
        np.array([1, -2], "<i2"),
        np.frombuffer(b"\x01\x00\xfe\xff", np.uint8),
    ],
)
def test_bytes_and_16_bit_integers(pcm: Any) -> None:
    assert pcm_bytes(pcm) == b"\x01\x00\xfe\xff"


def test_bytes_of_any_length() -> None:
    assert pcm_bytes(b"") == b""
    assert pcm_bytes(b"abc") == b"abc"


@pytest.mark.parametrize(
    ("pcm", "says"),
    [
        (np.zeros(4, np.float32), r"format f: samples from -1 to 1 become that by"),
        (np.zeros(4, np.int32), "format i"),
        (np.zeros(4, ">i2"), "format >h"),
        (np.zeros((4, 2), np.int16), r"mono, one-dimensional, not of shape \(4, 2\)"),
        ("audio", "audio is bytes or an array of 16-bit integers, not str"),
        (None, "not NoneType"),
        ([1, 2], "not list"),
    ],
)
def test_anything_else_is_an_error(pcm: Any, says: str) -> None:
    with pytest.raises(AudioError, match=says):
        pcm_bytes(pcm)
