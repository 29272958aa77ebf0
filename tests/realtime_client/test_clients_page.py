"""docs/CLIENTS.md: every Python example runs as it stands, against the real server.

Those for Node, browsers and the command line: tests/docs/test_clients_page.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from realtime_client.settings import Options
from tests.conformance.server_process import ServerProcess
from tests.conformance.spelling import ENDPOINT_S, RATE_HZ, silence, spell
from tests.conformance.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "CLIENTS.md").read_text()
ADDRESS = "ws://localhost:4444"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 7
    assert all(ADDRESS in example for example in EXAMPLES)


def test_the_page_names_every_option() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", PAGE, re.MULTILINE)
    assert rows[-len(Options.__annotations__) :] == list(Options.__annotations__)


@pytest.mark.server
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example(engine: ServerProcess, tmp_path: Path, example: str) -> None:
    audio = np.concatenate([spell("hello world"), silence(ENDPOINT_S), spell("good bye")])
    pcm = audio.astype("<i2").tobytes()
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", example.replace(ADDRESS, engine.url)],
        input=pcm,
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ran.returncode, ran.stderr.decode()) == (0, "")
    assert "hello world" in ran.stdout.decode()
    if "to_srt" in example:
        subtitles = (tmp_path / "speech.srt").read_text()
        assert re.match(r"1\n00:00:00,\d{3} --> .*\nhello world\n\n2\n.*\ngood bye\n", subtitles)
    elif ".done()" not in example:
        assert "good bye" in ran.stdout.decode()
