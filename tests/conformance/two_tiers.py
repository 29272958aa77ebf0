"""A WebSocket server and model servers behind it, to be used like one `ServerProcess`.

The settings are taken apart as an operator would: the engine's go to the model server, those of the
protocol's first table to the WebSocket server.
"""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final

from server.api_keys import KEYS_VARIABLE
from server.clients_config import CLIENT_SETTINGS
from tests.conformance.server_process import HOST, ServerProcess
from tests.conformance.waiting import PATIENCE_S, wait_until

KEY: Final = {"MODELSERVER_KEY": secrets.token_hex(16)}
_WEBSOCKET_VARIABLES: Final = (
    "INTERMED_PARTIALS", "WEBSOCKET_SERVER_LOGLEVEL", "SSL_CERT_PATH", "SSL_CERT_KEY",
    KEYS_VARIABLE, *(setting.variable for setting in CLIENT_SETTINGS),
)  # fmt: skip
_WEBSOCKET_FLAGS: Final = ("--intermed-partials",)


class ModelServer(ServerProcess):
    """``realtime-engine model-server``."""

    def __init__(
        self, *flags: str, environment: dict[str, str] | None = None, port: int = 0
    ) -> None:
        super().__init__(
            *flags, environment=KEY | (environment or {}), command="model-server", port=port
        )

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


class LinkedServer(ServerProcess):
    """``realtime-engine serve`` with model servers elsewhere; connected to one once entered."""

    def __init__(
        self,
        addresses: Sequence[str],
        *flags: str,
        environment: dict[str, str] | None = None,
        scheme: str = "ws",
        waits: bool = True,
    ) -> None:
        environment = KEY | {"MODELSERVER_HOSTNAME": ",".join(addresses)} | (environment or {})
        super().__init__(*flags, environment=environment, scheme=scheme)
        self._waits = waits

    def __enter__(self) -> LinkedServer:
        super().__enter__()
        if self._waits:
            try:
                wait_until(lambda: bool(self.readiness()["ready"]), "a model server is connected")
            except BaseException:
                self.stop()
                raise
        return self

    def readiness(self) -> dict[str, Any]:
        """What /readyz answers."""
        answer: dict[str, Any] = json.loads(self._page("/readyz"))
        return answer

    def figure(self, name: str) -> float:
        """The value of a metric without labels."""
        for line in self._page("/metrics").decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise AssertionError(f"there is no {name}")

    def _page(self, path: str) -> bytes:
        kind = _unchecked_https if self.url.startswith("wss") else http.client.HTTPConnection
        connection = kind(HOST, self.port, timeout=PATIENCE_S)
        connection.request("GET", path)
        body = connection.getresponse().read()
        connection.close()
        return body


class TwoTiers(LinkedServer):
    """Both tiers, with the settings of a single machine."""

    def __init__(
        self, *flags: str, environment: dict[str, str] | None = None, scheme: str = "ws"
    ) -> None:
        given = environment or {}
        near = {name: value for name, value in given.items() if name in _WEBSOCKET_VARIABLES}
        far = {name: value for name, value in given.items() if name not in near}
        self.model_server = ModelServer(
            *(flag for flag in flags if flag not in _WEBSOCKET_FLAGS), environment=far
        )
        super().__init__(
            [self.model_server.address],
            *(flag for flag in flags if flag in _WEBSOCKET_FLAGS),
            environment=near,
            scheme=scheme,
        )

    @property
    def engine(self) -> ServerProcess:
        return self.model_server

    def __enter__(self) -> TwoTiers:
        with ExitStack() as stack:
            stack.enter_context(self.model_server)
            super().__enter__()
            stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        self.model_server.__exit__(kind, error, trace)


def _unchecked_https(host: str, port: int, timeout: float) -> http.client.HTTPSConnection:
    context = ssl._create_unverified_context()
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
