"""WAV headers and files, right and wrong."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def chunk(name: bytes, payload: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return struct.pack("<4sI", name, len(payload)) + payload + b"\0" * (len(payload) % 2)


def fmt_chunk(
    rate_hz: int = 16_000, *, channels: int = 1, bits: int = 16, code: int = 1, extra: bytes = b""
) -> bytes:
    """The chunk that says what the samples are."""
    frame_bytes = channels * bits // 8
    fields = (code, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, bits)
    return chunk(b"fmt ", struct.pack("<HHIIHH", *fields) + extra)


def riff(*chunks: bytes, data_bytes: int = 0) -> bytes:
    """Everything before the first sample: the given chunks, then the head of the data chunk."""
    body = b"".join(chunks)
    riff_bytes = min(4 + len(body) + 8 + data_bytes, 0xFFFF_FFFF)
    head = b"RIFF" + struct.pack("<I", riff_bytes) + b"WAVE"
    return head + body + b"data" + struct.pack("<I", data_bytes)


def write_wav(path: Path, samples: NDArray[np.int16], rate_hz: int = 16_000) -> Path:
    """A mono file."""
    data = samples.astype("<i2").tobytes()
    path.write_bytes(riff(fmt_chunk(rate_hz), data_bytes=len(data)) + data)
    return path
