"""Reads WAV files of 16-bit mono PCM, and says how to make one of any other file."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from realtime_client.errors import AudioError
from realtime_client.settings import MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ

_SAMPLE_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class WavAudio:
    """An open file: its rate, and its audio, a second at a time."""

    sample_rate_hz: int
    blocks: Iterator[bytes]


@contextmanager
def open_wav(path: str | os.PathLike[str]) -> Iterator[WavAudio]:
    """Raises `AudioError` for a file of another kind, `OSError` where there is none."""
    try:
        file = wave.open(os.fspath(path), "rb")  # noqa: SIM115 - closed below
    except (wave.Error, EOFError) as error:
        raise AudioError(_not_that(path, str(error) or "it ends too early")) from None
    with file:
        rate_hz = file.getframerate()
        if (file.getnchannels(), file.getsampwidth()) != (1, _SAMPLE_BYTES):
            found = f"{file.getnchannels()} channel(s) of {8 * file.getsampwidth()} bits"
            raise AudioError(_not_that(path, found))
        if not MIN_SAMPLE_RATE_HZ <= rate_hz <= MAX_SAMPLE_RATE_HZ:
            raise AudioError(_not_that(path, f"{rate_hz} Hz"))
        yield WavAudio(rate_hz, _blocks(file, rate_hz))


def _blocks(file: wave.Wave_read, samples: int) -> Iterator[bytes]:
    while block := file.readframes(samples):
        yield block


def _not_that(path: str | os.PathLike[str], found: str) -> str:
    return (
        f"{os.fspath(path)} is not a WAV file of 16-bit mono PCM at "
        f"{MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz ({found}): convert it with "
        f"ffmpeg -i {os.fspath(path)} -ac 1 -ar 16000 -c:a pcm_s16le converted.wav"
    )
