"""A real server in a process of its own, for as long as a `with` block runs.

It is started as an operator would start it, on a free port of the loopback, and stopped by its
process id. The settings of the shell that runs the tests do not reach it.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final

from server.api_keys import KEYS_VARIABLE
from server.clients_config import CLIENT_SETTINGS
from server.config import ENGINE_SETTINGS, SERVE_SETTINGS
from server.tiers.config import LINK_SETTINGS
from server.tiers.keys import KEY_VARIABLE
from tests.conformance.waiting import PATIENCE_S, wait_until

ROOT: Final = Path(__file__).parents[2]
ECHO: Final = ROOT / "models" / "echo"
HOST: Final = "127.0.0.1"
BANNER_END: Final = re.compile(r"streams, .*\(s\)[\n\"]")
"""The last line of every banner, as text or within JSON."""
_LASTING: Final = ("serve", "model-server")
_BELOW_THE_KERNELS_OWN_PORTS: Final = range(20_000, 32_000)
_VARIABLES: Final = {
    KEY_VARIABLE,
    KEYS_VARIABLE,
    *(
        setting.variable
        for setting in (*ENGINE_SETTINGS, *SERVE_SETTINGS, *CLIENT_SETTINGS, *LINK_SETTINGS)
        if setting.variable
    ),
}


class ServerProcess:
    """``realtime-engine serve`` with ``flags`` and ``environment``, ready once entered.

    Or another ``command`` that runs until it is stopped; on ``port``, or on a free one.
    """

    def __init__(
        self,
        *flags: str,
        environment: dict[str, str] | None = None,
        scheme: str = "ws",
        command: str = "serve",
        port: int = 0,
    ) -> None:
        self.port = port or free_port()
        self._command = command
        self.url = f"{scheme}://{HOST}:{self.port}"
        self._flags = flags
        self._environment = environment or {}
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> ServerProcess:
        self._process = start(
            self._command, "--host", HOST, "--port", str(self.port), *self._flags,
            environment=self._environment, stderr=self._log.fileno(),
        )  # fmt: skip
        try:
            wait_until(self._has_started, "the server is ready")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._log.close()

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    @property
    def engine(self) -> ServerProcess:
        """Whose children do the work."""
        return self

    @property
    def log(self) -> str:
        """What the server has written to stderr so far, its banner first."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode()

    def stop(self) -> int:
        """SIGTERM, unless it has ended; waits for the end and returns the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit status, once the server has ended."""
        try:
            return self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def kill(self) -> None:
        """SIGKILL for the supervisor alone."""
        self._process.kill()
        self._process.wait()

    def _has_started(self) -> bool:
        assert self._process.poll() is None, f"the server gave up:\n{self.log}"
        return BANNER_END.search(self.log) is not None


def refusal_to_start(*flags: str, environment: dict[str, str] | None = None) -> str:
    """The one line that ``realtime-engine serve`` says on stderr when it refuses its settings."""
    process = start(
        "serve", "--host", HOST, "--port", str(free_port()), *flags,
        environment=environment or {}, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        _, said = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.communicate()
        raise
    lines: list[str] = said.decode().strip().splitlines()
    assert process.returncode == 2, f"exit status {process.returncode}:\n{lines}"
    assert len(lines) == 1, lines
    return lines[0]


def start(*arguments: str, environment: dict[str, str], stderr: int) -> subprocess.Popen[bytes]:
    """Starts the command line program; the caller sees to its end."""
    inherited = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    return subprocess.Popen(
        [sys.executable, "-m", "server.cli", *arguments],
        cwd=ROOT,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if arguments[0] in _LASTING else subprocess.PIPE,
        stderr=stderr,
    )


def free_port() -> int:
    """A port that nobody listens on and that the kernel gives to no outgoing connection."""
    for port in random.sample(_BELOW_THE_KERNELS_OWN_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")
