"""Clients that ask for a stream again and again, as a `Helper` process.

Each asks at its own moment of every interval, whether or not the answers before have come (an open
loop), and is timed from its connect to the whole answer. One that is let in stays, and is counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import uvloop

from bench.chaos.helpers import answer_all
from bench.chaos.requests import header_of, opening_request, status_of
from tests.conformance.server_process import HOST

ANSWER_TIMEOUT_S: Final = 10
MOST_KNOCKS: Final = 100_000
TOO_LATE: Final = "no answer"


@dataclass(slots=True)
class Knocks:
    """What came of them. ``answers``: how many of each HTTP status, or of what came instead."""

    asked: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    without_retry_after: int = 0
    answer_ms: list[float] = field(default_factory=list)

    @property
    def refused(self) -> int:
        return self.answers.get("503", 0)

    @property
    def let_in(self) -> int:
        return self.answers.get("101", 0)


class _Knock(asyncio.Protocol):
    """One request; ``answered`` is set to the answer's head, or to nothing when there is none."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        transport.write(opening_request())

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) >= int(header_of(head, "Content-Length") or 0):
            self._end(head)

    def connection_lost(self, _error: Exception | None) -> None:
        self._end(b"")

    def _end(self, head: bytes) -> None:
        if not self.answered.done():
            self.answered.set_result(head)


async def _run(port: int, clients: int, seconds: float, interval_s: float = 1.0) -> Knocks:
    found, answers = Knocks(), Counter[str]()
    stay: list[asyncio.BaseTransport] = []
    loop = asyncio.get_running_loop()
    began_s, number = time.monotonic(), 0
    count = min(MOST_KNOCKS, round(clients * seconds / interval_s))

    async def once() -> None:
        since_s = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                transport, protocol = await loop.create_connection(_Knock, HOST, port)
                head = await protocol.answered
        except (OSError, TimeoutError) as error:
            answers[type(error).__name__] += 1
            return
        took_ms = 1000 * (time.perf_counter() - since_s)
        status = status_of(head)
        answers[str(status) if status else TOO_LATE] += 1
        if status == 101:
            stay.append(transport)
            return
        found.answer_ms.append(round(took_ms, 3))
        found.without_retry_after += not (header_of(head, "Retry-After") or "").isdigit()
        transport.close()

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            due_s = began_s + number * interval_s / clients
            await asyncio.sleep(due_s - time.monotonic())
            group.create_task(once())
    for transport in stay:
        transport.close()
    found.asked = count
    found.answers = dict(answers)
    return found


if __name__ == "__main__":
    answer_all(lambda **asked: asdict(uvloop.run(_run(**asked))))
