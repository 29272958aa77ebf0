"""The real server in a process of its own, for as long as a `with` block runs.

It is started as an operator would start it, on a free port of the loopback, and stopped by its
process id. The settings of the shell do not reach it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from bench.eval.errors import EvalError
from server.config import ENGINE_SETTINGS, MODEL_SERVER_VARIABLE, SERVE_SETTINGS

ROOT: Final = Path(__file__).parents[2]
HOST: Final = "127.0.0.1"
READY: Final = "is ready"
START_TIMEOUT_S: Final = 300.0
STOP_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.2
SETTINGS: Final = ("--intermed-partials", "--beam-size", "600")
FIRST_PASS_ALONE: Final = ("--second-pass", "off")


def has_second_pass() -> bool:
    """Whether this engine can be told to leave its second pass out."""
    command = [sys.executable, "-m", "server.cli", "serve", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return FIRST_PASS_ALONE[0] in text


class Engine:
    """``realtime-engine serve`` with `SETTINGS` and ``flags``, ready once entered."""

    def __init__(self, *flags: str) -> None:
        port = _free_port()
        self.url = f"ws://{HOST}:{port}"
        self._arguments = ["--host", HOST, "--port", str(port), *SETTINGS, *flags]

    def __enter__(self) -> Engine:
        variables = {s.variable for s in (*ENGINE_SETTINGS, *SERVE_SETTINGS)}
        self._log = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", *self._arguments],
            cwd=ROOT,
            env={
                name: value
                for name, value in os.environ.items()
                if name not in variables and name != MODEL_SERVER_VARIABLE
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log.fileno(),
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while READY not in self._said():
            if self._process.poll() is not None:
                said = self._said().strip().splitlines() or ["nothing"]
                raise EvalError(f"the server ended while it started; its last line: {said[-1]}")
            if time.monotonic() > deadline_s:
                raise EvalError(f"the server was not ready after {START_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)

    def _said(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def _stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()


def _free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
