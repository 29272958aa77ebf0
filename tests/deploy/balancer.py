"""HAProxy with the configuration of `deploy/haproxy/`, on free ports of the loopback.

The file is used as it is but for addresses, the control socket's path and the pace of the checks.
"""

from __future__ import annotations

import csv
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from tests.conformance.server_process import HOST, ROOT, free_port
from tests.conformance.waiting import PATIENCE_S, wait_until

CONFIGURATION: Final = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
HAPROXY: Final = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
NEEDED: Final = "HAProxy is not installed (apt-get install haproxy)"
_SOCKET: Final = "/run/haproxy/admin.sock"
_CHECKS: Final = ("inter 2s", "inter 50ms")


def rendered(servers: Mapping[str, int], binds: Mapping[int, int], control: Path) -> str:
    """The configuration with the ports of ``servers`` by name, and of ``binds`` by their own port.

    A server that is not named is left out.
    """
    text = CONFIGURATION.read_text(encoding="utf-8").replace(_SOCKET, str(control))
    text = text.replace(*_CHECKS)
    for port, instead in binds.items():
        text, count = re.subn(rf"bind :{port}\b", f"bind {HOST}:{instead}", text)
        assert count == 1, f"the configuration binds port {port}"
    lines = []
    for line in text.splitlines():
        matched = re.fullmatch(r"(    server (\w+)) \S+(.*)", line)
        if matched is None:
            lines.append(line)
        elif matched[2] in servers:
            lines.append(f"{matched[1]} {HOST}:{servers[matched[2]]}{matched[3]}")
    return "\n".join(lines) + "\n"


class Balancer:
    """A running HAProxy, for as long as a `with` block lasts."""

    def __init__(
        self,
        servers: Mapping[str, int],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._servers = servers
        self._environment = dict(environment or {})
        self.ports = {port: free_port() for port in (80, 443, 9123)}
        self.url = f"ws://{HOST}:{self.ports[80]}"

    def __enter__(self) -> Balancer:
        assert HAPROXY is not None, NEEDED
        # A short path: that of a socket has 107 characters at most.
        self._folder = tempfile.TemporaryDirectory(prefix="haproxy-")
        folder = Path(self._folder.name)
        self._control = folder / "admin.sock"
        file = folder / "haproxy.cfg"
        file.write_text(rendered(self._servers, self.ports, self._control), encoding="utf-8")
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [HAPROXY, "-db", "-f", str(file)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(self._answers, "HAProxy has started")
            for name in self._servers:
                self.wait_for(name, "UP")
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

    def command(self, command: str) -> str:
        """What HAProxy answers to a command on its control socket."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(PATIENCE_S)
            control.connect(str(self._control))
            control.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: control.recv(65_536), b"")).decode()

    def wait_for(self, server: str, status: str) -> None:
        """Until HAProxy has found that server UP, DOWN, ..."""
        wait_until(lambda: self._row(server)["status"].startswith(status), f"{server} is {status}")

    def streams(self, server: str) -> int:
        """The connections that it has with a server."""
        return int(self._row(server)["scur"])

    def _row(self, server: str) -> dict[str, str]:
        rows = csv.DictReader(self.command("show stat").removeprefix("# ").splitlines())
        return next(row for row in rows if row["svname"] == server)

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"HAProxy gave up:\n{Path(self._log.name).read_text()}"
        try:
            return bool(self.command("show info"))
        except OSError:
            return False

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._folder.cleanup()
