"""Transcribes files through the engine: the session of a WebSocket connection, without the socket.

This process is the engine's only frontend. The same session, resampler, rings, worker and decoder
serve as for a client that streams the file, so the words are the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import soundfile
from numpy.typing import NDArray

from server.engine import Engine
from server.handshake import Parameters, max_message_bytes
from server.processes import EngineError
from server.session import Session
from shm.slot_pool import SlotPool

WAIT_MS: Final = 50


class AudioFileError(Exception):
    """A file that holds no readable audio; the message is one line."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard in one file; ``words`` as in the WebSocket's hypotheses."""

    file: Path
    duration_s: float
    text: str
    words: list[dict[str, Any]]

    def to_json(self) -> bytes:
        """One line of JSON."""
        return orjson.dumps(
            {
                "file": str(self.file),
                "duration_s": round(self.duration_s, 3),
                "text": self.text,
                "words": self.words,
            }
        )


def transcribe(engine: Engine, path: Path, *, text2int: bool) -> Transcript:
    """Streams one file, as fast as the engine takes it, and waits for its last final.

    Raises:
        AudioFileError: not readable as audio.
        EngineError: the engine cannot go on.
    """
    samples, rate_hz = read_audio(path)
    pool = SlotPool(engine.plane, engine.bells, frontend=0)
    slot = pool.claim()
    assert slot is not None, "nobody else uses this engine"
    try:
        session = Session(slot, Parameters(rate_hz, text2int), engine.spec.sample_rate_hz)
        words = list(_words(engine, session, samples, rate_hz))
    finally:
        pool.release(slot)
    text = " ".join(word["text"] for word in words)
    return Transcript(path, samples.shape[0] / rate_hz, text, words)


def read_audio(path: Path) -> tuple[NDArray[np.int16], int]:
    """The samples of an audio file, (n,) int16, channels averaged, and their rate in Hz.

    Raises:
        AudioFileError: there is no such file, or it is in no format that libsndfile reads.
    """
    if not path.is_file():
        raise AudioFileError(f"{path}: there is no such file")
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: no header, as in *.raw
        reason = getattr(error, "error_string", "it has no header").rstrip(".")
        raise AudioFileError(
            f"{path} is not readable audio ({reason}): give WAV, FLAC, MP3 or OGG"
        ) from error
    mono = np.nan_to_num(samples.mean(1)).clip(-1.0, 1.0)
    return np.minimum(np.rint(mono * 32768), 32767).astype(np.int16), int(rate_hz)


def _words(
    engine: Engine, session: Session, samples: NDArray[np.int16], rate_hz: int
) -> Iterator[dict[str, Any]]:
    for message in _messages(engine, session, samples, rate_hz):
        fields = orjson.loads(message)
        if fields.get("isFinal"):
            yield from fields["words"]


def _messages(
    engine: Engine, session: Session, samples: NDArray[np.int16], rate_hz: int
) -> Iterator[bytes]:
    """What the session would send to a client that streams ``samples`` and closes."""
    data = samples.tobytes()
    step = max_message_bytes(rate_hz)
    for start in range(0, len(data), step):
        session.receive_audio(data[start : start + step])
        while session.blocked:
            _wait(engine, session)
        yield from session.outgoing()
    session.end()
    while not session.finished:
        _wait(engine, session)
        yield from session.outgoing()
    yield from session.outgoing()


def _wait(engine: Engine, session: Session) -> None:
    engine.bells.frontends[0].wait(WAIT_MS)
    for event in engine.watch(time.monotonic()):
        raise EngineError(event)
    session.pump()
