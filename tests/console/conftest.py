"""A browser with a microphone that hears speech from a file, and a server to speak to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.conformance.server_process import ROOT, ServerProcess
from tests.console.browser import Browser, find_browser

CLIPS = ROOT / "tools" / "loadtest" / "audio"
RATE_HZ = 48_000  # what a browser's fake microphone takes without converting it
PAUSE_S = 1.0

OpenBrowser = Callable[..., Browser]


@pytest.fixture(scope="session")
def executable() -> str:
    found = find_browser()
    if found is None:
        pytest.skip("no Chromium is installed (on Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="session")
def console_server() -> Iterator[ServerProcess]:
    """The bundled model with a narrow beam and few slots."""
    with ServerProcess("--beam-size", "100", "--slots", "2") as server:
        yield server


@pytest.fixture
def open_browser(executable: str) -> Iterator[OpenBrowser]:
    """Opens browsers that are closed at the end of the test."""
    with ExitStack() as stack:

        def opened(microphone: Path | None = None) -> Browser:
            flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
            if microphone is not None:
                flags.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
            return stack.enter_context(Browser(executable, flags))

        yield opened


def transcript_of(clip: str) -> list[str]:
    """The words that are said in a clip of the load tester."""
    for line in (CLIPS / "transcripts.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["audio"] == f"{clip}.mp3":
            return str(entry["text"]).split()
    raise AssertionError(f"no such clip: {clip}")


def speech_file(folder: Path, *clips: str) -> Path:
    """The clips one after the other with pauses, as a WAV file."""
    pause = np.zeros(int(PAUSE_S * RATE_HZ), np.float32)
    parts = [pause]
    for clip in clips:
        samples, rate_hz = soundfile.read(CLIPS / f"{clip}.mp3", dtype="float32")
        parts += [soxr.resample(samples, rate_hz, RATE_HZ), pause]
    path = folder / "speech.wav"
    soundfile.write(path, np.concatenate(parts), RATE_HZ, subtype="PCM_16")
    return path
