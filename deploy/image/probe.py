"""Looks at the server in this container from the inside.

``python probe.py ready`` exits 0 if it is ready for clients (Docker's HEALTHCHECK).
``python probe.py idle --settle 10 --within 300`` waits until no stream has been open for 10 s, at
most 300 s, and exits 0 in either case: what goes on after it (Kubernetes' preStop hook) ends the
server anyway. A cluster takes some seconds to stop sending streams, which is what the 10 are for.

It asks /readyz where this container's settings say that the pages for operators are, if these have
an address of their own (a model server has no others), else where the server listens. The
certificate is not checked: it bears another name than the loopback's.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

TIMEOUT_S: Final = 4
POLL_S: Final = 1
PORT_VARIABLE: Final = "REALTIME_ENGINE_PORT"
DEFAULT_PORT: Final = "4444"
OPERATORS_VARIABLE: Final = "REALTIME_ENGINE_OPERATOR_ADDRESS"
EVERYWHERE: Final = ("", "0.0.0.0", "[::]")  # noqa: S104 - addresses to listen on
CERTIFICATE_VARIABLE: Final = "SSL_CERT_PATH"


def main() -> int:
    """Runs one of the two commands; returns the exit status."""
    parser = argparse.ArgumentParser(description="look at the server in this container")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ready", help="exit 0 if it is ready for clients")
    idle = commands.add_parser("idle", help="wait until no stream is open")
    idle.add_argument("--within", type=float, required=True, metavar="SECONDS", help="at most")
    idle.add_argument(
        "--settle", type=float, default=0.0, metavar="SECONDS", help="for so long in a row"
    )
    arguments = parser.parse_args()
    url = address(os.environ)
    if arguments.command == "ready":
        return _ready(url)
    return _wait_until_idle(url, arguments.settle, arguments.within)


def address(environment: Mapping[str, str]) -> str:
    """The URL of /readyz, from the variables that `server.config` reads."""
    operators = environment.get(OPERATORS_VARIABLE, "")
    if operators:
        host, _, port = operators.rpartition(":")
        return f"http://{'127.0.0.1' if host in EVERYWHERE else host}:{port}/readyz"
    scheme = "https" if environment.get(CERTIFICATE_VARIABLE) else "http"
    return f"{scheme}://127.0.0.1:{environment.get(PORT_VARIABLE) or DEFAULT_PORT}/readyz"


def open_streams(answer: Mapping[str, Any]) -> int:
    """How many streams /readyz says are open."""
    return int(answer["slots"]["total"]) - int(answer["slots"]["free"])


def _ready(url: str) -> int:
    try:
        status, answer = _ask(url)
    except (OSError, ValueError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1
    if status != 200:
        print(f"{url}: {status} {'; '.join(answer['not_ready'])}", file=sys.stderr)
        return 1
    return 0


def _wait_until_idle(url: str, settle_s: float, longest_s: float) -> int:
    idle_since_s: float | None = None
    deadline_s = time.monotonic() + longest_s
    while (now_s := time.monotonic()) < deadline_s:
        try:
            is_idle = open_streams(_ask(url)[1]) == 0
        except (OSError, ValueError, KeyError) as error:
            print(f"{url}: {error}", file=sys.stderr)
            if _nobody_listens(error):
                return 0  # no server, no stream
            is_idle = False  # it may only be slow
        idle_since_s = (idle_since_s or now_s) if is_idle else None
        if idle_since_s is not None and now_s - idle_since_s >= settle_s:
            return 0
        time.sleep(POLL_S)
    return 0


def _nobody_listens(error: Exception) -> bool:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return isinstance(reason, ConnectionRefusedError)


def _ask(url: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON body; a 503 has one too.

    Raises:
        OSError: nobody answers.
        ValueError: something else than this server does.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),  # the loopback is never behind one
        urllib.request.HTTPSHandler(context=context),
    )
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            return int(answer.status), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


if __name__ == "__main__":
    sys.exit(main())
