"""A stream to the server for asyncio: audio goes in, hypotheses come out.

A task in the background owns the connection. It sends what `send` has put into `OutgoingAudio`,
receives hypotheses into a queue, and connects again after a loss if that was asked for. So it does
not matter whether results are taken while audio is sent, or afterwards.

What bounds it: `send` waits while more than `BACKLOG_S` of audio has not been sent; no more than
`UNREAD_S` is sent that the server has not confirmed to have read (by answering pings: TCP alone
would take minutes of audio); `OutgoingAudio` bounds what is kept. That makes 102 s of audio, 3 MB
at 16 kHz. Hypotheses wait in a queue without a bound, since a stream that is not received would
hold up its own audio; an hour of speech makes some ten megabytes of them.
"""

from __future__ import annotations

import asyncio
from asyncio import sleep
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, Unpack

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.protocol import State

from realtime_client.concurrency import together
from realtime_client.connecting import is_session_gone, is_worth_another_try, open_connection
from realtime_client.errors import (
    AudioError,
    ConnectionLost,
    ProtocolError,
    RecogniserError,
    Refused,
    ServerError,
    Unreachable,
)
from realtime_client.messages import Hypothesis, Notice, Session, parse
from realtime_client.outgoing import OutgoingAudio
from realtime_client.pcm import pcm_bytes
from realtime_client.settings import Options, Settings

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BACKLOG_S: Final = 2
UNREAD_S: Final = 10
PINGS_UNDER_WAY: Final = 5
LAST_FINAL_TIMEOUT_S: Final = 120
"""How long the server may take to close: it has read everything, and finalises it first."""
_SAMPLE_BYTES: Final = 2


class Recogniser:
    """One stream. Use it as ``async with Recogniser("ws://localhost:4444") as recogniser:``.

    `send` and `done` in one place, ``async for hypothesis in recogniser`` in the same or another;
    `finish` after the last audio brings the last final and ends the iteration. Leaving the block
    without it drops the connection and what was not finalised.

    **When the connection is lost** the iteration, `send`, `done` and `finish` raise
    `ConnectionLost`. With ``reconnect=Backoff()`` they wait instead while it is made again, with
    growing pauses (a server that is full says itself how long). The server keeps the session for a
    while (30 s, unless its operator has set something else), so the stream goes on as if nothing
    had happened: what it has not received is sent again, and what was not received of it comes.

    When it has kept nothing, because it was away for longer or was started anew, audio that no
    final covers yet is sent again to a new session, and times go on as those of one stream. At that
    seam

    - partials start again: words that were seen in partials come once more, perhaps differently,
      until a final settles them;
    - the audio is cut at the end of the last word of the last final, as the server timed it. A
      rest of that word, if it was timed too short, may be heard as a word of its own; a beginning
      of the next, if timed too long, is missing. The model no longer hears what was said before
      the cut either, so the first word after it is the one to doubt;
    - an utterance may be divided differently from how it would have been;
    - a `done` whose final came with words just before the loss may be answered once more, by a
      final without words.

    Nothing else is lost: a final that was under way is made again. That rests on what the server
    promises (utterances of at most 20 s): audio for which no final came is kept for 90 s after
    the server has read it.

    Raises (on entering): `Refused`, `Unreachable`, `ServerError`, `ProtocolError`; they are not
    waited out, ``reconnect`` is for streams that have begun. `ServerError` and `ProtocolError`
    end a stream at any time. Bad options are a `ValueError`.
    """

    def __init__(self, url: str, **options: Unpack[Options]) -> None:
        self._settings = Settings(url, **options)
        bytes_per_s = self._settings.sample_rate_hz * _SAMPLE_BYTES
        self._backlog_bytes = BACKLOG_S * bytes_per_s
        self._ping_bytes = UNREAD_S * bytes_per_s // PINGS_UNDER_WAY
        self._outgoing = OutgoingAudio(self._settings.sample_rate_hz)
        self._finishing = False
        self._more = asyncio.Event()  # there is something to send
        self._room = asyncio.Event()  # less waits to be sent, or nothing will be any more
        self._heard: asyncio.Queue[Hypothesis | None] = asyncio.Queue()  # None: the end
        self._over = False
        self._failure: Exception | None = None
        self._offset_ms = 0
        self._session: Session | None = None
        self._last_message_id: str | None = None
        self._delays_s: Iterator[float] = iter(())
        self._progress_before = -1
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RecogniserError("a Recogniser is one stream: make a new one for the next")
        self._connection, self._session = await open_connection(self._settings)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        if self._settings.reconnect is not None:
            _say_goodbye(self._connection)
        self._connection.transport.abort()
        self._end(RecogniserError("the stream was left before it was finished"))
        await asyncio.wait([self._task])

    async def send(self, pcm: ReadableBuffer) -> None:
        """Sends 16-bit little-endian mono PCM of any length: bytes or an array of int16.

        Returns once little of it waits to be sent. Half a sample at the end waits for the next
        call. Cancelled, it may have taken a part. Raises `AudioError` for other kinds of audio.
        """
        audio = pcm_bytes(pcm)
        for start in range(0, len(audio), self._backlog_bytes):
            self._expect_open()
            self._outgoing.add(audio[start : start + self._backlog_bytes])
            await self._wait_for_room(self._backlog_bytes)

    async def done(self) -> None:
        """Ends the utterance: its final follows at once, without words if there were none."""
        self._expect_open()
        self._outgoing.add_done()
        await self._wait_for_room(self._backlog_bytes)

    async def finish(self) -> None:
        """Ends the stream: returns once everything was sent; the iteration brings the rest.

        Raises `AudioError` if the audio ended within a sample; its finals come all the same.
        """
        self._expect_entered()
        self._finishing = True
        await self._wait_for_room(0)
        if self._outgoing.ends_mid_sample:
            raise AudioError(
                "the audio has an odd number of bytes, samples are 16-bit: one byte was not sent"
            )

    def received(self) -> list[Hypothesis]:
        """What has come and was not taken yet, without waiting.

        Raises what the iteration would, once everything before it was taken.
        """
        waiting: list[Hypothesis] = []
        while not self._heard.empty():
            hypothesis = self._heard.get_nowait()
            if hypothesis is None:
                self._heard.put_nowait(None)  # the end stays the end
                if self._failure is not None and not waiting:
                    raise self._failure
                break
            waiting.append(hypothesis)
        return waiting

    @property
    def finals_until_ms(self) -> int:
        """How far finals have come, in milliseconds of the stream."""
        return self._outgoing.finals_until_ms

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Hypothesis:
        self._expect_entered()
        hypothesis = await self._heard.get()
        if hypothesis is not None:
            return hypothesis
        self._heard.put_nowait(None)  # the end stays the end
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    # -- the user's side

    def _expect_entered(self) -> None:
        if self._task is None:
            raise RecogniserError("there is no connection yet: use it in an `async with` block")

    def _expect_open(self) -> None:
        self._expect_entered()
        if self._finishing:
            raise RecogniserError("the stream is finished: nothing can be sent any more")
        if self._failure is not None:
            raise self._failure

    async def _wait_for_room(self, limit_bytes: int) -> None:
        self._more.set()
        while self._failure is None and self._outgoing.unsent_bytes > limit_bytes:
            self._room.clear()
            await self._room.wait()
        if self._failure is not None:
            raise self._failure

    # -- the background's side

    async def _run(self) -> None:
        """From connection to connection, until the stream is over or has failed."""
        try:
            while (lost := await self._converse(self._connection)) is not None:
                self._connection = await self._connect_again(lost)
        except Exception as failure:  # whatever it is, the user's side raises it
            self._end(failure)
        else:
            self._end(None)

    def _end(self, failure: Exception | None) -> None:
        if not self._over:
            self._over = True
            self._failure = failure
            self._room.set()
            self._heard.put_nowait(None)

    async def _converse(self, connection: ClientConnection) -> ConnectionClosed | None:
        """One connection to its end; how it was lost, None if that is the stream's end."""
        try:
            await together(self._send_all(connection), self._receive_all(connection))
        except ConnectionClosed as closed:
            return None if _ended_by_us(closed) else closed
        finally:
            connection.transport.abort()
        raise AssertionError("receiving ends with the connection")

    async def _send_all(self, connection: ClientConnection) -> None:
        """Sends until the stream is finished, then closes. A loss is for the receiving side."""
        pings: deque[tuple[int, asyncio.Future[float]]] = deque()
        pinged = self._outgoing.sent
        with suppress(ConnectionClosed):
            while (message := await self._next_message()) is not None:
                await connection.send(message)
                if self._outgoing.sent - pinged >= self._ping_bytes:
                    pinged = self._outgoing.sent
                    pings.append((pinged, asyncio.ensure_future(await connection.ping())))
                while pings and (len(pings) >= PINGS_UNDER_WAY or pings[0][1].done()):
                    position, pong = pings.popleft()
                    await pong
                    self._outgoing.was_read(position)
            await (await connection.ping())  # read everything: only the last final is to come
            connection.close_timeout = LAST_FINAL_TIMEOUT_S
            await connection.close()

    async def _next_message(self) -> bytes | str | None:
        """The next to send, once there is one; None when the stream is finished."""
        while (message := self._outgoing.next_message()) is None:
            self._room.set()
            if self._finishing:
                return None
            self._more.clear()
            await self._more.wait()
        self._room.set()
        return message

    async def _receive_all(self, connection: ClientConnection) -> None:
        while True:
            message = parse(await connection.recv())
            if isinstance(message, Notice):
                raise ServerError(message.status, message.info)
            self._last_message_id = message.message_id
            hypothesis = message.later(self._offset_ms)
            self._outgoing.was_heard(hypothesis)
            self._heard.put_nowait(hypothesis)

    # -- after a loss

    async def _connect_again(self, closed: ConnectionClosed) -> ClientConnection:
        if closed.rcvd is not None:
            self._session = None  # the server has ended it
        if self._outgoing.progress > self._progress_before:
            self._progress_before = self._outgoing.progress
            self._delays_s = self._all_delays_s()
        cause: Exception = closed
        retry_after_s = 0
        for delay_s in self._delays_s:
            await sleep(max(delay_s, retry_after_s))
            try:
                return await self._come_back() or await self._begin_anew()
            except (Refused, Unreachable) as error:
                if not is_worth_another_try(error):
                    raise
                retry_after_s = (error.retry_after_s or 0) if isinstance(error, Refused) else 0
                cause = error
        raise ConnectionLost(f"the connection was lost: {cause}", self.finals_until_ms) from cause

    async def _come_back(self) -> ClientConnection | None:
        """The session on a new connection; None if the server has not kept it."""
        if self._session is None:
            return None
        token, self._session = self._session.token, None
        try:
            connection, session = await open_connection(
                self._settings, token, self._last_message_id
            )
        except Refused as refused:
            if is_session_gone(refused):
                return None
            self._session = Session(token, 0, 0)  # perhaps at the next attempt
            raise
        except Unreachable:
            self._session = Session(token, 0, 0)
            raise
        if session is None or not self._outgoing.go_on(session.audio_bytes, session.dones):
            connection.transport.abort()
            raise ProtocolError("the server says that it has received what was not sent")
        self._session = session
        return connection

    async def _begin_anew(self) -> ClientConnection:
        connection, self._session = await open_connection(self._settings)
        self._offset_ms = self._outgoing.rewind()
        self._last_message_id = None
        return connection

    def _all_delays_s(self) -> Iterator[float]:
        backoff = self._settings.reconnect
        return iter(()) if backoff is None else backoff.delays_s()


def _say_goodbye(connection: ClientConnection) -> None:
    """A close frame at least, as far as it gets: the server need not keep the session for us."""
    if connection.protocol.state is State.OPEN:
        connection.protocol.send_close(CloseCode.GOING_AWAY)
        connection.transport.writelines(connection.protocol.data_to_send())


def _ended_by_us(closed: ConnectionClosed) -> bool:
    """Whether both sides closed properly, this one first: every final has come."""
    return (
        closed.rcvd is not None
        and closed.rcvd.code == CloseCode.NORMAL_CLOSURE
        and closed.rcvd_then_sent is False
    )
