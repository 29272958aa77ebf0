"""The second pass against the real server, with the bundled models.

What a final says is judged by what was said; that it was heard again, by what is promised of it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.footprint import processes
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from tests.conformance.client import Client
from tests.conformance.hypotheses import Message, text_of
from tests.conformance.server_process import ROOT, ServerProcess, refusal_to_start
from tests.conformance.speech import RATE_HZ, Clip, clips
from tests.conformance.spelling import silence
from tests.server.commands import run
from tools.loadtest.wer import count_word_errors

pytestmark = pytest.mark.server

SECOND_PASS = ModelSpec.load(BUNDLED_MODEL).second_pass_path
CLIPS = ROOT / "tools" / "loadtest" / "audio"
FILES = ("1272-128104-0000.mp3", "1272-135031-0010.mp3")
FLAGS = ("--beam-size", "100", "--slots", "4")
"""Those of the shared servers: the same words come of them."""


def white_noise(seconds: float, rms: float) -> NDArray[np.int16]:
    rng = np.random.default_rng(5)
    return rng.normal(0, rms, round(seconds * RATE_HZ)).astype(np.int16)


def heard(server: ServerProcess, audio: NDArray[np.int16]) -> list[Message]:
    """The finals of a connection that sends ``audio``. The client checks words and times."""
    with Client(server.url) as client:
        client.send_audio(audio)
        client.close()
    return [message for message in client.received if message.get("isFinal")]


def assert_about_right(clip: Clip, text: str, rate: float = 0.3) -> None:
    errors = count_word_errors([(clip.text, text)])
    assert errors.errors <= rate * errors.words, (clip.text, text)


def test_it_runs_unless_it_is_turned_off(speech_server: ServerProcess) -> None:
    assert "second_pass 0" in processes(speech_server.engine.pid)
    assert SECOND_PASS is not None
    assert f"second pass     {SECOND_PASS.resolve()}" in speech_server.engine.log


def test_finals_are_about_right_and_their_words_in_time(speech_server: ServerProcess) -> None:
    """Words chosen by the second pass have times within the utterance, one after the other."""
    for clip in clips(3):
        finals = heard(speech_server, clip.audio)
        assert_about_right(clip, text_of(finals))
        words = [word for final in finals for word in final["words"]]
        assert words[-1]["end"] <= clip.seconds * 1000
        assert all(word["start"] < word["end"] for word in words)
        assert all(word["end"] <= after["start"] for word, after in pairwise(words))
        spoken_ms = words[-1]["end"] - words[0]["start"]
        assert spoken_ms > 0.6 * clip.seconds * 1000, "spread over what was said"


def test_an_utterance_is_heard_alike_again(speech_server: ServerProcess) -> None:
    """Also by a client of which another slot is busy: nothing depends on company."""
    clip, other = clips(2)
    (alone,) = heard(speech_server, clip.audio)
    with Client(speech_server.url) as busy:
        busy.send_audio(other.audio)
        (again,) = heard(speech_server, clip.audio)
    assert {**alone, "msgId": ""} == {**again, "msgId": ""}


@pytest.mark.parametrize("rms", [0, 30, 1000, 8000])
def test_noise_says_nothing(speech_server: ServerProcess, rms: float) -> None:
    """An attention model would invent something; nothing of it may reach a client."""
    assert text_of(heard(speech_server, white_noise(6.0, rms))) == ""


def test_silence_around_speech_adds_nothing(speech_server: ServerProcess) -> None:
    clip = clips(1)[0]
    finals = heard(speech_server, np.concatenate([silence(4), clip.audio, silence(4)]))
    assert_about_right(clip, text_of(finals))


def test_quick_partials_may_change_until_the_final(quick_speech_server: ServerProcess) -> None:
    """No word is settled before the second pass has heard it."""
    with Client(quick_speech_server.url) as client:
        client.send_audio(clips(1)[0].audio)
        final = client.done()
    partials = [m for m in client.received if m.get("isFinal") is False]
    assert partials
    assert all(word["intermed"] for partial in partials for word in partial["words"])
    assert not any(word["intermed"] for word in final["words"])


def test_transcribe_gives_the_same_words(speech_server: ServerProcess) -> None:
    texts = [text_of(heard(speech_server, clip.audio)) for clip in clips(len(FILES))]
    outcome = run("transcribe", *(str(CLIPS / name) for name in FILES), *FLAGS)
    assert outcome.errors == []
    assert outcome.status == 0
    assert outcome.output == texts


def test_without_it() -> None:
    clip = clips(1)[0]
    with ServerProcess(*FLAGS, "--second-pass", "off") as server:
        assert "second_pass 0" not in processes(server.pid)
        assert "second pass     off" in server.log
        assert_about_right(clip, text_of(heard(server, clip.audio)), 0.4)


# -- settings that cannot be used: one line, exit status 2


def test_a_directory_that_is_not_there() -> None:
    said = refusal_to_start("--second-pass", "/nowhere")
    assert said.startswith("realtime-engine: --second-pass names /nowhere, but")
    assert "or off" in said


def broken_model(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not a model")


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


def missing_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize("spoil", [broken_model, broken_tokenizer, missing_configuration])
def test_a_model_that_cannot_be_used(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """Found out by the process that loads it, and said once."""
    assert SECOND_PASS is not None
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((SECOND_PASS / name).read_bytes())
    spoil(tmp_path)
    said = refusal_to_start(*FLAGS, environment={"REALTIME_ENGINE_SECOND_PASS": str(tmp_path)})
    assert said.startswith(f"realtime-engine: {tmp_path}")
