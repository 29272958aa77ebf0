"""Recognises a WAV header at the start of a stream and skips it (PROTOCOL line 10).

Clients that send a file as it is start with RIFF chunks; everything before the first sample of the
``data`` chunk is not audio. What the header says is checked against what the connection expects,
because samples of another format or rate would be transcribed as noise.
"""

from __future__ import annotations

import struct
from typing import Final

MAX_HEADER_BYTES: Final = 65_536
_RIFF_BYTES: Final = 12
_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_PCM, _EXTENSIBLE = 1, 0xFFFE


class WavError(Exception):
    """The header announces audio that this connection does not take."""


class WavHeaderSkipper:
    """Feeds on the stream's first bytes until it knows where the audio begins."""

    __slots__ = ("_chunk_at", "_held", "_rate_hz")

    def __init__(self, rate_hz: int, *, has_begun: bool = False) -> None:
        """``has_begun``: the first bytes of the stream are behind it."""
        self._rate_hz = rate_hz
        self._held = None if has_begun else bytearray()
        self._chunk_at = _RIFF_BYTES

    def feed(self, data: bytes) -> bytes:
        """The audio of ``data``; empty while a header is not complete.

        Raises:
            WavError: the header names another format than 16-bit mono PCM at the connection's
                rate, or does not end.
        """
        if self._held is None:
            return data
        self._held += data
        audio_at = self._audio_offset(self._held)
        if (len(self._held) if audio_at is None else audio_at) > MAX_HEADER_BYTES:
            raise WavError(f"a WAV header of more than {MAX_HEADER_BYTES} bytes is not taken")
        if audio_at is None:
            return b""
        audio, self._held = bytes(self._held[audio_at:]), None
        return audio

    def flush(self) -> bytes:
        """What is held back when the stream pauses: a start too short to be told from a header.

        Audio that happens to begin like a header is audio once nothing follows it.
        """
        held = bytes(self._held or b"")
        if len(held) >= _RIFF_BYTES:
            return b""  # a header without samples
        self._held = None if held else self._held
        return held

    def _audio_offset(self, held: bytearray) -> int | None:
        """Where the audio begins, None if that is still to come. Looks at no chunk twice."""
        start = bytes(held[:_RIFF_BYTES])
        if not (b"RIFF".startswith(start[:4]) and b"WAVE".startswith(start[8:12])):
            return 0
        if len(held) < _RIFF_BYTES:
            return None
        while len(held) >= self._chunk_at + _CHUNK.size:
            name, size = _CHUNK.unpack_from(held, self._chunk_at)
            at = self._chunk_at + _CHUNK.size
            if name == b"data":
                return at
            if name == b"fmt ":
                if len(held) < at + _FORMAT.size:
                    return None
                self._check_format(held, at)
            self._chunk_at = at + size + size % 2
        return None

    def _check_format(self, held: bytearray, at: int) -> None:
        code, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(held, at)
        if code not in {_PCM, _EXTENSIBLE} or channels != 1 or bits != 16:
            raise WavError(
                f"the WAV header announces format {code}, {channels} channel(s), {bits} bits: "
                "send 16-bit mono PCM"
            )
        if rate_hz != self._rate_hz:
            raise WavError(
                f"the WAV header announces {rate_hz} Hz, the connection {self._rate_hz} Hz: "
                f"connect with ?downsample=True&sampleRate={rate_hz}"
            )
