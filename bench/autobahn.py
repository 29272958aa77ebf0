"""The Autobahn test suite against our own connection layer, in strict mode.

The suite wants an echo. So the sessions here send back what they get; everything below them is the
server's: `server.connection.Connection`, with its handshake, its frames, its closing. Messages may
be as large as the suite's largest, as the limit itself has tests of its own.

The suite is for Python 2.7 and no part of the set-up: docs/RELIABILITY.md says how to get it.

    python -m bench.autobahn --wstest "python2.7 -m autobahntestsuite.wstest" --cases '1.*,7.*'

Exits 1 if a case fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys
import tempfile
from collections import Counter, deque
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import uvloop
from numpy.typing import NDArray
from websockets.frames import Frame, Opcode

import server.connection
from server.api_keys import ApiKeys
from server.connection import Connection
from server.doorway import Doorway
from server.handshake import Opening
from server.keeping import Holder, Stream
from server.session import Session
from server.site import Site
from shm.outbox import OutboxRecord, ResumePoint
from shm.records import Hypothesis

RATE_HZ: Final = 16_000
LARGEST_MESSAGE_BYTES: Final = 1 << 24
PASSED: Final = {"OK", "INFORMATIONAL", "UNIMPLEMENTED"}
"""Unimplemented are the compressions that we decline: to the suite these are no failures."""
NOT_STRICT: Final = {"6.4.3", "6.4.4"}
"""Wrong text is found out at the end of its fragment: RFC 6455 does not ask for more."""


class Binary(bytes):
    """A message that goes back as it came, which the server has no other use for."""

    __slots__ = ()


def frame_of(message: bytes) -> bytes:
    """What the server sends as text, and what it does not."""
    opcode = Opcode.BINARY if isinstance(message, Binary) else Opcode.TEXT
    return Frame(opcode, message).serialize(mask=False)


class EchoSlot:
    """Of an engine that hears nothing, and says so at once."""

    slot = 0
    wanted_samples = 1 << 30
    free_marks = 16

    def __init__(self) -> None:
        self._finals: deque[OutboxRecord] = deque()

    def write_audio(self, _samples: NDArray[np.int16]) -> None:
        raise AssertionError("every message goes back")

    def write_mark(self) -> None:
        nothing = Hypothesis((), 0.0, is_final=True)
        self._finals.append(OutboxRecord(1, nothing, True, ResumePoint(0, 0, 0, 0, 0)))

    def take(self) -> OutboxRecord | None:
        return self._finals.popleft() if self._finals else None

    def received(self) -> None: ...

    def sent(self, finals: int, partials: int) -> None: ...


class EchoSession(Session):
    """Says nothing of its own."""

    __slots__ = ()

    def receive_audio(self, data: bytes) -> None:
        if self.closing is None:
            self._outgoing.append(Binary(data))

    def receive_text(self, text: str) -> None:
        if self.closing is None:
            self._outgoing.append(text.encode())

    def receive_undecodable_text(self) -> None:
        self.end(1007, "text messages are UTF-8")  # without a message before it


class EchoDoorway(Doorway):
    """Lets everybody in."""

    def __init__(self) -> None:
        super().__init__(cast(Any, None), RATE_HZ, ApiKeys())

    def admit(self, opening: Opening, holder: Holder, address: str, now_s: float) -> Stream:  # noqa: ARG002
        slot = cast(Any, EchoSlot())
        session = EchoSession(slot, opening.parameters, RATE_HZ)
        session.outgoing()  # no `ready`
        return Stream(session, slot, opening.parameters, address, None, holder)

    def leave(self, stream: Stream) -> None:
        """Nobody counts."""

    def lose(self, stream: Stream, now_s: float) -> bool:  # noqa: ARG002
        """Nobody comes back."""
        return False


class Suite:
    """The suite's own server is not needed: it is a client of ours."""

    def __init__(self, command: str, cases: list[str], excluded: list[str]) -> None:
        self._command = shlex.split(command)
        self._cases = cases
        self._excluded = excluded

    async def run(self, port: int) -> dict[str, dict[str, Any]]:
        """Behaviour of each case, by its number."""
        with tempfile.TemporaryDirectory() as folder:
            spec = {
                "outdir": folder,
                "servers": [{"agent": "engine", "url": f"ws://127.0.0.1:{port}"}],
                "cases": self._cases,
                "exclude-cases": self._excluded,
                "exclude-agent-cases": {},
            }
            path = Path(folder) / "spec.json"
            path.write_text(json.dumps(spec))
            process = await asyncio.create_subprocess_exec(
                *self._command, "-m", "fuzzingclient", "-s", str(path),
                stdout=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            status = await process.wait()
            index = Path(folder) / "index.json"
            if status != 0 or not index.is_file():
                raise SystemExit(f"{self._command} ended with {status} and left no report")
            found: dict[str, dict[str, Any]] = json.loads(index.read_text())["engine"]
            return found


async def judged(suite: Suite) -> dict[str, dict[str, Any]]:
    """Runs the suite against a server of this process on a free port of the loopback."""
    server.connection.MAX_FRAME_BYTES = LARGEST_MESSAGE_BYTES  # type: ignore[misc]
    server.connection.MAX_UNSENT_BYTES = 2 * LARGEST_MESSAGE_BYTES  # type: ignore[misc]
    server.connection._text_frame = frame_of
    doorway, site, loop = EchoDoorway(), Site({}), asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: Connection(doorway, site, loop, lambda _closed: None), "127.0.0.1", 0
    )
    try:
        return await suite.run(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()


def family(case: str) -> tuple[int, ...]:
    """The first two numbers of a case, the first alone where there are no more than two."""
    numbers = tuple(map(int, case.split(".")))
    return numbers[:2] if len(numbers) > 2 else numbers[:1]


def table(found: dict[str, dict[str, Any]]) -> str:
    """How many cases of each family behaved how."""
    rows: dict[tuple[int, ...], Counter[str]] = {}
    for case, result in found.items():
        rows.setdefault(family(case), Counter())[result["behavior"]] += 1
    lines = []
    for numbers, counts in sorted(rows.items()):
        behaviours = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        lines.append(f"{'.'.join(map(str, numbers)):<6}{behaviours}")
    return "\n".join(lines)


def failures(found: dict[str, dict[str, Any]]) -> list[str]:
    """The cases that are not in order, and what they were."""
    return [
        f"{case}: {result['behavior']}, close {result['behaviorClose']}"
        for case, result in found.items()
        if result["behaviorClose"] not in PASSED
        or result["behavior"] not in PASSED | ({"NON-STRICT"} if case in NOT_STRICT else set())
    ]


def main() -> int:
    """Prints the families and what failed; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.autobahn", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--wstest", required=True, help="the suite's command")
    parser.add_argument("--cases", default="*", help="such as '1.*,7.*' (all)")
    parser.add_argument("--without", default="", help="cases to leave out")
    options = parser.parse_args()
    without = [case for case in options.without.split(",") if case]
    found = uvloop.run(judged(Suite(options.wstest, options.cases.split(","), without)))
    failed = failures(found)
    print(table(found), *failed, f"{len(found)} cases, {len(failed)} failed", sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
