"""The client against the real engine, with the model that spells: every word is known."""

from __future__ import annotations

import asyncio
import random
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from realtime_client import (
    Backoff,
    BlockingRecogniser,
    Hypothesis,
    Recogniser,
    Refused,
    transcribe,
    transcribe_file,
)
from tests.conformance.server_process import ServerProcess
from tests.conformance.spelling import (
    ENDPOINT_S,
    FRAME_MS,
    RATE_HZ,
    numbered_words,
    silence,
    spell,
)
from tests.conformance.waiting import PATIENCE_S
from tests.realtime_client.cutting_proxy import CuttingProxy

pytestmark = pytest.mark.server

SENTENCES = [numbered_words(4 * number, 4) for number in range(24)]
BYTES_PER_S = 2 * RATE_HZ


def speech(sentences: list[str]) -> bytes:
    """The sentences with pauses that end utterances."""
    pause = silence(ENDPOINT_S)
    pieces = [piece for sentence in sentences for piece in (spell(sentence), pause)]
    return np.concatenate(pieces).astype("<i2").tobytes()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test()

    asyncio.run(bounded())


def test_a_stream_with_done_and_finish(engine: ServerProcess) -> None:
    async def test() -> None:
        async with Recogniser(engine.url, sample_rate_hz=RATE_HZ) as recogniser:
            await recogniser.send(spell("hello world"))
            await recogniser.done()
            first = await anext(recogniser)
            assert (first.text, first.is_final) == ("hello world", True)
            assert [word.is_stable for word in first.words] == [True, True]
            assert recogniser.finals_until_ms == first.words[-1].end_ms
            await recogniser.done()
            assert (await anext(recogniser)).words == ()
            await recogniser.send(spell("good bye").tobytes()[:-1])
            await recogniser.send(b"\0")
            await recogniser.finish()
            assert [heard.text async for heard in recogniser] == ["good bye"]

    run(test)


def test_audio_at_full_speed_and_results_afterwards(engine: ServerProcess) -> None:
    """More than a server takes into its memory at once."""

    async def test() -> None:
        async with Recogniser(engine.url) as recogniser:
            await recogniser.send(speech(SENTENCES * 3))
            await recogniser.finish()
            assert [h.text async for h in recogniser if h.is_final] == SENTENCES * 3

    run(test)


@pytest.mark.parametrize("rate_hz", [8000, 44_100])
def test_other_rates(engine: ServerProcess, rate_hz: int) -> None:
    """The spelling does not survive a conversion; that the stream is taken is the point."""
    pcm = np.zeros(rate_hz, np.int16)
    assert transcribe_file(engine.url, pcm, sample_rate_hz=rate_hz).text == ""


def test_numbers(engine: ServerProcess) -> None:
    assert transcribe_file(engine.url, spell("seventy two"), text2int=True).text == "72"
    assert transcribe_file(engine.url, spell("seventy two")).text == "seventy two"


def test_a_file_and_its_subtitles(engine: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(speech(["hello world", "good bye"]))
    seen: list[Hypothesis] = []
    transcript = transcribe_file(engine.url, path, on_progress=seen.append)
    assert transcript.text == "hello world good bye"
    assert [heard.text for heard in seen if heard.is_final] == ["hello world", "good bye"]
    second_ms = len(spell("hello world")) * 1000 // RATE_HZ + round(1000 * ENDPOINT_S)
    assert transcript.words[2].start_ms == pytest.approx(second_ms, abs=2 * FRAME_MS)
    assert "\nhello world\n\n2\n00:00:0" in transcript.to_srt()


def test_blocking(engine: ServerProcess) -> None:
    with BlockingRecogniser(engine.url) as recogniser:
        for word in ("one", "two"):
            recogniser.send(spell(word))
            recogniser.done()
            assert next(recogniser).text == word
        recogniser.send(spell("three"))
        recogniser.finish()
        assert [heard.text for heard in recogniser] == ["three"]


def test_a_refusal(engine: ServerProcess) -> None:
    async def test() -> None:
        with pytest.raises(Refused, match="there is nothing at '/elsewhere'") as error:
            async with Recogniser(f"{engine.url}/elsewhere"):
                pass
        assert error.value.status_code == 404

    run(test)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["engine", "forgetful_engine"])
def test_a_line_that_breaks_again_and_again_loses_no_word(
    request: pytest.FixtureRequest, kind: str, seed: int
) -> None:
    """Cut anywhere, whether the server keeps sessions or not.

    With exact word times nothing is doubled either, and times stay exact.
    """
    engine: ServerProcess = request.getfixturevalue(kind)
    rng = random.Random(seed)
    audio = speech(SENTENCES)
    limits = [rng.randrange(BYTES_PER_S // 2, 20 * BYTES_PER_S) for _ in range(6)]

    async def test() -> None:
        async with CuttingProxy(engine.port, limits) as proxy:
            transcript = await transcribe(
                proxy.url, audio, reconnect=Backoff(first_s=0.01, longest_s=0.05)
            )
            connections = proxy.connections
        unbroken = await transcribe(engine.url, audio)
        assert unbroken.text == " ".join(SENTENCES)
        assert transcript.text == unbroken.text
        assert connections > 2
        tolerance_ms = FRAME_MS if kind == "forgetful_engine" else 0
        for word, expected in zip(transcript.words, unbroken.words, strict=True):
            assert word.start_ms == pytest.approx(expected.start_ms, abs=tolerance_ms)
            assert word.end_ms == pytest.approx(expected.end_ms, abs=tolerance_ms)

    run(test)


def test_speech_without_a_pause_is_cut_and_goes_on(engine: ServerProcess) -> None:
    """In the middle of words, where no final has come yet: the session knows the place."""
    text = numbered_words(0, 60)
    limits = [5 * BYTES_PER_S + 1234, 3 * BYTES_PER_S, 3 * BYTES_PER_S + 4321]

    async def test() -> None:
        async with CuttingProxy(engine.port, limits) as proxy:
            soon = Backoff(first_s=0.01, longest_s=0.05)
            transcript = await transcribe(proxy.url, spell(text), reconnect=soon)
            assert proxy.connections == 4
        assert transcript.text == text

    run(test)
