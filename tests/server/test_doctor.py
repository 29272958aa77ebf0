"""`realtime-engine doctor`: a line per check, and what to do where something is not in order."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from models import ECHO_MODEL

pytestmark = pytest.mark.server


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    flags = ["--model", str(ECHO_MODEL), "--device", "cpu", "--host", "127.0.0.1", *arguments]
    return subprocess.run(
        [sys.executable, "-m", "server.cli", "doctor", *flags],
        capture_output=True,
        text=True,
        check=False,
    )


def findings(result: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Outcome by what was checked."""
    lines = result.stdout.splitlines()
    return {line[6:21].strip(): line[:4].strip() for line in lines}


def test_a_port_in_use_is_found_and_the_rest_still_checked() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = doctor("--port", str(other.getsockname()[1]))
    found = findings(result)
    assert found["port"] == "FAIL"
    assert "--port" in result.stdout
    for what in ("device", "acoustic model", "shared memory", "open files"):
        assert found[what] == "ok"
    assert "clock" in found
    assert result.returncode == 1


def test_a_device_that_is_not_there_is_found() -> None:
    result = doctor("--device", "cuda:99", "--port", "1")
    assert findings(result)["device"] == "FAIL"
    assert "use auto or cpu" in result.stdout
    assert result.returncode == 1


def test_settings_that_cannot_be_read_are_one_line() -> None:
    result = doctor("--beam-size", "0")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
