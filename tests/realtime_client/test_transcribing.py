"""realtime_client/transcribing.py: whole recordings, and streams that somebody else produces."""

from __future__ import annotations

import asyncio
import threading
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime_client import AudioError, ConnectionLost, Hypothesis, Transcript, transcribe
from tests.realtime_client.fake_server import FakeServer, Line, hypothesis, run

AUDIO = b"".join(number.to_bytes(2, "little") for number in range(48_000))


async def hear(line: Line) -> None:
    await line.until_audio(len(AUDIO))
    await line.say(hypothesis("first", is_final=False))
    await line.say(hypothesis("first", 0, 100))
    await line.say(hypothesis("", 0))
    await line.say(hypothesis("the second", 100, 100))
    await line.until_closed()


def transcribed(audio: Any, script: Callable[[Line], Awaitable[None]] = hear, **options: Any) -> (
    tuple[Transcript, FakeServer]
):  # fmt: skip
    results: list[tuple[Transcript, FakeServer]] = []

    async def test() -> None:
        async with FakeServer(script) as server:
            results.append((await transcribe(server.url, audio, **options), server))

    run(test)
    return results[0]


def wav_file(folder: Path, rate_hz: int = 16_000) -> Path:
    path = folder / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(AUDIO)
    return path


async def pieces() -> AsyncIterator[bytes]:
    for start in range(0, len(AUDIO), 3333):
        yield AUDIO[start : start + 3333]


@pytest.mark.parametrize(
    "audio",
    [AUDIO, np.frombuffer(AUDIO, np.int16), [AUDIO[:1001], AUDIO[1001:]], iter([AUDIO])],
    ids=["bytes", "array", "list", "iterator"],
)
def test_audio_in_memory_and_in_pieces(audio: Any) -> None:
    transcript, server = transcribed(audio)
    assert server.lines[0].audio == AUDIO
    assert transcript.text == "first the second"
    assert len(transcript.finals) == 3


def test_an_async_iterator() -> None:
    _, server = transcribed(pieces())
    assert server.lines[0].audio == AUDIO


@pytest.mark.parametrize("as_text", [False, True])
def test_a_file(tmp_path: Path, as_text: bool) -> None:
    path = wav_file(tmp_path, 22_050)
    _, server = transcribed(str(path) if as_text else path)
    assert server.lines[0].audio == AUDIO
    assert "sampleRate=22050" in server.targets[0]


def test_a_rate_that_is_not_the_files(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"has 16000 Hz, not 8000: leave sample_rate_hz out"):
        transcribed(wav_file(tmp_path), sample_rate_hz=8000)


def test_progress() -> None:
    seen: list[Hypothesis] = []
    transcribed(AUDIO, on_progress=seen.append)
    assert [heard.text for heard in seen] == ["first", "first", "", "the second"]


def test_a_callback_that_raises_ends_it() -> None:
    def stop(_heard: Hypothesis) -> None:
        raise LookupError("enough")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(3200)
            await asyncio.sleep(0)

    with pytest.raises(LookupError, match="enough"):
        transcribed(endless(), on_progress=stop)


def test_a_source_that_fails_ends_it() -> None:
    def broken() -> Iterator[bytes]:
        yield AUDIO
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        transcribed(broken())


def test_a_source_that_waits_holds_up_nothing() -> None:
    came = threading.Event()

    def microphone() -> Iterator[bytes]:
        yield AUDIO
        assert came.wait(20), "the hypothesis is received while the source waits"
        yield AUDIO

    transcribed(microphone(), on_progress=lambda _heard: came.set())


def test_a_loss() -> None:
    async def drop(line: Line) -> None:
        line.drop()

    with pytest.raises(ConnectionLost):
        transcribed(AUDIO, drop)


@pytest.mark.parametrize(
    ("audio", "says"),
    [
        (3, "audio is a path, PCM in memory or in pieces, not int"),
        (None, "not NoneType"),
        ([1, 2], "not int"),
        (b"abc", "an odd number of bytes"),
        (np.zeros(100), "format d"),
    ],
)
def test_what_is_no_audio(audio: Any, says: str) -> None:
    with pytest.raises(AudioError, match=says):
        transcribed(audio)


def test_no_such_file() -> None:
    with pytest.raises(FileNotFoundError):
        transcribed("nowhere.wav")
