"""What a server counts, as its page of metrics says."""

from __future__ import annotations

import http.client
import re

from tests.conformance.server_process import HOST, ServerProcess
from tests.conformance.waiting import PATIENCE_S


def figure(server: ServerProcess, name: str) -> float:
    """A metric's value; ``name`` is without its prefix, and with its labels."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    (value,) = re.findall(rf"^realtime_engine_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(value)
