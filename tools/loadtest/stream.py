"""One stream: a connection that plays its clips in real time and hands what comes to its ledger.

A reader takes every message off the connection the moment it arrives; the player sends by the
schedule and waits where the protocol says so. Every wait has a limit: `timeout_s`, or `patience_s`
for one that is refused and told when to come back.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tools.loadtest.clips import Clip
from tools.loadtest.dialects import DIALECTS, READY, Dialect
from tools.loadtest.gathering import Gathering
from tools.loadtest.ledger import SETTLE_S, StreamLedger
from tools.loadtest.schedule import ClipSchedule, Excerpt
from tools.loadtest.tally import Fault, Tally


@dataclass(frozen=True, slots=True)
class Target:
    """What all streams of a run have in common. Clips are at `rate_hz`."""

    url: str
    rate_hz: int
    timeout_s: float
    clips: Sequence[Clip]
    protocol: str = "ours"
    api_key: str | None = None
    patience_s: float = 0.0
    """So long a stream comes back when the server says so (Retry-After), then it is refused."""

    @property
    def headers(self) -> dict[str, str]:
        """What goes with every connection's request."""
        return {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """When a stream connects, on the event loop's clock, and what it plays."""

    number: int
    connect_due_s: float
    excerpts: Sequence[Excerpt]


async def play_stream(plan: StreamPlan, target: Target, tally: Tally, gathering: Gathering) -> None:
    """Connects, plays, closes; what goes wrong goes to the tally.

    Where a connection is over with its first utterance, each excerpt gets one of its own.
    """
    await _sleep_until(plan.connect_due_s)
    try:
        if not DIALECTS[target.protocol].one_turn:
            await _play_connection(plan, target, tally, gathering)
            return
        for number, excerpt in enumerate(_wanted(plan, gathering)):
            due_s = _now_s() if number else plan.connect_due_s
            alone = StreamPlan(plan.number, due_s, [excerpt])
            is_first = number == 0
            if not await _play_connection(alone, target, tally, gathering, is_first=is_first):
                return
    finally:
        gathering.left(plan.number)
        tally.streams_ended += 1


async def _play_connection(
    plan: StreamPlan, target: Target, tally: Tally, gathering: Gathering, *, is_first: bool = True
) -> bool:
    """Plays one connection to its end; False where there was none.

    One that is refused for now comes back when it is told to, as a new connection.
    """
    patient_until_s = plan.connect_due_s + target.patience_s
    while True:
        try:
            async with _opening(target) as connection:
                player = _Player(connection, plan, target, tally, gathering, is_first=is_first)
                await player.play()
            return True
        except InvalidStatus as error:
            back_s = _now_s() + _retry_after_s(error)
            if back_s > patient_until_s:
                tally.note(Fault.REFUSED, _refusal(error))
                return False
        except (InvalidHandshake, OSError) as error:  # a TimeoutError is an OSError
            reason = str(error) or "the connection could not be opened in time"
            tally.note(Fault.UNREACHABLE, reason)
            return False
        tally.returns += 1
        await _sleep_until(back_s)
        plan = replace(plan, connect_due_s=back_s)


def _opening(target: Target) -> connect:
    return connect(
        target.url,
        additional_headers=target.headers,
        compression=None,  # audio does not shrink, and the load should be the server's
        proxy=None,  # a proxy's latency is not the server's
        open_timeout=target.timeout_s,
        close_timeout=target.timeout_s,
    )


def _wanted(plan: StreamPlan, gathering: Gathering) -> Iterator[Excerpt]:
    """The stream's excerpts, until all streams have been together long enough."""
    for excerpt in plan.excerpts:
        if gathering.is_over(_now_s()):
            return
        yield excerpt


class _ConnectionGoneError(Exception):
    """The server closed the connection while something was awaited from it."""


class _Player:
    def __init__(
        self,
        connection: ClientConnection,
        plan: StreamPlan,
        target: Target,
        tally: Tally,
        gathering: Gathering,
        *,
        is_first: bool,
    ) -> None:
        self._dialect: Dialect = DIALECTS[target.protocol]()
        self._connection = connection
        self._plan = plan
        self._gathering = gathering
        self._target = target
        self._ledger = StreamLedger(
            plan.number,
            target.rate_hz,
            plan.connect_due_s,
            tally,
            self._dialect,
            is_first=is_first,
        )
        self._news = asyncio.Event()  # a message has come, or none will come any more
        self._is_closed = False
        self._over_s = math.inf  # since when the dialect is over

    async def play(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            try:
                await self._converse()
            except (ConnectionClosed, _ConnectionGoneError):
                self._ledger.dropped(self._closure())
            self._ledger.finish()
            await self._connection.close()  # the reader ends with it

    async def _read(self) -> None:
        try:
            async for raw in self._connection:
                now_s = _now_s()
                self._ledger.receive(raw, now_s)
                if self._dialect.is_over:
                    self._over_s = min(self._over_s, now_s)
                self._news.set()
        except ConnectionClosed:
            pass  # the player notices when it next sends or waits, and says so
        self._is_closed = True
        self._news.set()

    async def _converse(self) -> None:
        timeout_s = self._target.timeout_s
        opening = self._dialect.opening(self._target.rate_hz)
        if opening is not None:
            await self._connection.send(opening)
        if not self._dialect.says_ready:
            self._ledger.take(READY, _now_s())
        if not await self._wait_for(lambda: self._ledger.is_ready, _now_s() + timeout_s):
            self._ledger.dropped(f"not ready after {timeout_s:g} s")
            return
        self._gathering.came(self._plan.number, _now_s())
        for excerpt in _wanted(self._plan, self._gathering):
            await self._play_turn(excerpt)

    async def _play_turn(self, excerpt: Excerpt) -> None:
        clip, ledger = self._target.clips[excerpt.clip], self._ledger
        reference = clip.reference if excerpt.samples == clip.samples else None
        schedule = ClipSchedule(_now_s(), excerpt.samples, self._target.rate_hz)
        ledger.begin_turn(clip.name, reference, schedule)
        for message in schedule.messages():
            await _sleep_until(message.due_s)
            pcm = clip.pcm[2 * message.first : 2 * message.end]
            await self._connection.send(self._dialect.audio(pcm))
            ledger.sent(message, _now_s())
        ledger.sending_done()
        await self._connection.send(self._dialect.done())
        if not await self._wait_for(self._is_answered, _now_s() + self._target.timeout_s):
            ledger.give_up()
        if self._dialect.one_turn:
            await self._hear_the_last()
        while (
            not self._dialect.one_turn
            and ledger.is_answered
            and not self._is_closed
            and ledger.settled_s > _now_s()
        ):
            await self._news_before(ledger.settled_s)

    async def _hear_the_last(self) -> None:
        """What the server's goodbye has overtaken; failing that, what it said last."""
        over_s = self._over_s
        if over_s == math.inf or await self._wait_for(
            lambda: self._ledger.is_answered, over_s + SETTLE_S
        ):
            return
        last = self._dialect.last_said()
        if last is not None:
            self._ledger.take(last, over_s)

    def _is_answered(self) -> bool:
        return self._dialect.is_over if self._dialect.one_turn else self._ledger.is_answered

    async def _wait_for(self, condition: Callable[[], bool], deadline_s: float) -> bool:
        """Waits until the condition holds; False at the deadline."""
        while not condition():
            if self._is_closed:
                raise _ConnectionGoneError
            if _now_s() >= deadline_s:
                return False
            await self._news_before(deadline_s)
        return True

    async def _news_before(self, deadline_s: float) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._news.wait()
        except TimeoutError:
            pass

    def _closure(self) -> str:
        code, reason = self._connection.close_code, self._connection.close_reason
        return f"closed by the server with {code}" + (f" ({reason})" if reason else "")


async def _sleep_until(due_s: float) -> None:
    await asyncio.sleep(max(0.0, due_s - _now_s()))  # 0 still lets the others run


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _retry_after_s(error: InvalidStatus) -> float:
    """How long the server asks to wait; infinite where it does not say so in seconds."""
    seconds = error.response.headers.get("Retry-After", "")
    return int(seconds) if seconds.isascii() and seconds.isdigit() else math.inf


def _refusal(error: InvalidStatus) -> str:
    """The status and, where the server says it in JSON, the reason."""
    response = error.response
    try:
        info = json.loads(response.body or b"")["info"]
    except (ValueError, TypeError, KeyError, RecursionError):
        info = response.reason_phrase
    return f"HTTP {response.status_code}: {info}"
