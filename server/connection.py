"""The shell around a session: bytes in from a transport, frames out to it.

It drives websockets' sans-I/O protocol (framing, handshake, control frames) from an asyncio
protocol, so that a message costs no task switch and the server decides itself when its close frame
goes out: after the last final, not as soon as the client's close arrives.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import takewhile
from typing import Final, cast

from websockets.datastructures import Headers
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State

from server import messages
from server.doorway import Doorway, ElsewhereError
from server.handshake import Opening, RequestError
from server.incoming import Assembly, Protocol, Unheard, number_in
from server.keeping import Stream
from server.lobby import Lobby
from server.outgoing import close_frame, is_close, page_response, refusal, text_frame
from server.patience import Patience
from server.session import GOING_AWAY, Session
from server.site import Request as PageRequest
from server.site import Site, is_websocket
from server.work_share import WorkShare
from shm import logs

CLOSE_TIMEOUT_S: Final = 5
"""How long a client may take to close after the server's close frame."""
PING_INTERVAL_S: Final = 20
PING_TIMEOUT_S: Final = 60
"""A client that has sent nothing, not even a pong, for this long is gone."""
MOVING_TIMEOUT_S: Final = 3.0
MOVING_POLL_S: Final = 0.01
"""How long, and how often, a session is looked for that another process lets go of."""
MAX_REQUEST_BYTES: Final = 16_384
"""Of a request with all its headers: browsers and proxies send a tenth of it."""
MAX_FRAME_BYTES: Final = 1 << 20
"""Beyond this a message is not even read to its end."""
MAX_UNSENT_BYTES: Final = 1 << 20
"""A client that lets this much pile up is not reading its results."""

SESSION_HEADER: Final = "Realtime-Session"
"""The token of a session, for balancers: a client that comes back must find the same server."""
POLICY_VIOLATION: Final = 1008
STOPPING: Final = "the server is stopping"

log = logging.getLogger("realtime_engine.connection")


class Connection(asyncio.Protocol):
    """One WebSocket connection, from accept to close."""

    def __init__(
        self,
        doorway: Doorway,
        site: Site,
        loop: asyncio.AbstractEventLoop,
        on_closed: Callable[[Connection], None],
        lobby: Lobby,
        on_made: Callable[[Connection], None] = lambda _: None,
        processor_s: Callable[[], float] = time.thread_time,
    ) -> None:
        """``on_made`` and ``on_closed`` enclose its life: whose TLS handshake fails has none.

        ``processor_s`` tells the processor time that this thread has taken.
        """
        self._doorway = doorway
        self._site = site
        self._loop = loop
        self._on_closed = on_closed
        self._on_made = on_made
        self._lobby = lobby
        self._processor_s = processor_s
        self._ws = Protocol(max_size=MAX_FRAME_BYTES)
        self._transport: asyncio.Transport
        self._stream: Stream | None = None
        self._session_id = ""
        self._assembly = Assembly()
        self._requested = False
        self._request_bytes = 0
        self._deaf = False
        self._unheard = Unheard()
        self._rest: asyncio.TimerHandle | None = None
        self._farewell: list[bytes] | None = None
        self._reading = True
        self._half_closed = False
        self._last_heard_s = 0.0
        self._timer: asyncio.TimerHandle
        self._share: WorkShare
        self._patience: Patience
        self._address = ""

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else ""
        self._share = WorkShare(self._loop.time())
        self._timer = self._loop.call_later(
            self._doorway.settings.handshake_timeout_s, self._waited_too_long
        )
        self._lobby.enter(self)
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._last_heard_s = self._loop.time()
        if self._stream is not None:
            self._stream.slot.received()
        self._unheard.add(data)
        if self._rest is None:
            self._hear()

    def eof_received(self) -> bool:
        """The client sends no more. Where the transport allows it, it still gets its final."""
        stream = self._stream
        if stream is None:
            return False  # nothing more to say
        if stream.session.resumable:
            return False  # a client that means to end says so with a close frame: it is lost
        self._hear(unhurried=False)
        self._half_closed = True
        stream.session.end()
        self.pump()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._log(logging.INFO, f"connection lost: {error}")
        self._timer.cancel()
        if self._rest is not None:
            self._rest.cancel()
        self._lobby.leave(self)
        if self._stream is not None:
            stays = self._doorway.lose(self._stream, self._loop.time())
            self._log(logging.INFO, "stream waits for its client" if stays else "stream is lost")
            self._stream = None
        self._on_closed(self)

    # -- called by the frontend

    def pump(self) -> None:
        """Sends what the session has to say, and reads or stops reading as it asks."""
        if self._stream is None or self._transport.is_closing():
            return
        session = self._stream.session
        session.pump()
        frames = [text_frame(message) for message in session.outgoing()]
        if frames:
            self._transport.writelines(frames)
        self._stream.slot.sent(session.finals, session.partials)
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._log(logging.WARNING, "a client does not read what it is sent: disconnected")
            self._transport.abort()
        elif session.finished:
            self._finish(session)
        else:
            self._listen_or_not()

    def look_at_the_clock(self) -> None:
        """Once in a while: a client that is idle, or does not read, is told and let go."""
        stream = self._stream
        if stream is None or self._transport.is_closing() or stream.session.closing is not None:
            return
        verdict = self._patience.verdict(
            self._transport.get_write_buffer_size(),
            listening=self._reading,
            now_s=self._loop.time(),
        )
        if verdict is None:
            return
        self._log(logging.INFO, "a client is let go", status=verdict.status)
        notice = messages.status(verdict.status, verdict.info)
        stream.session.end(POLICY_VIOLATION, verdict.status, notice)
        self.pump()

    def tell(self, notice: bytes) -> None:
        """A message to a client with a stream, which goes on."""
        if self._stream is not None and not self._transport.is_closing():
            self._transport.writelines([text_frame(notice)])

    @property
    def waits_for_room(self) -> bool:
        return not self._reading

    @property
    def awaits_request(self) -> bool:
        """Whether its client has connected, and not said yet what for."""
        return not self._requested and not self._transport.is_closing()

    def wind_down(self) -> None:
        """The server stops soon: a stream may still end its utterance."""
        if self._stream is None:
            self.go_away()
        else:
            self._stream.session.wind_down(GOING_AWAY, STOPPING)
            self.pump()

    def go_away(self) -> None:
        """The server stops: finalise what was heard and close."""
        if self._stream is not None:
            self._stream.session.end(GOING_AWAY, STOPPING)
            self.pump()
        elif not self._requested:
            self._transport.abort()
        elif not self._session_id:
            self._transport.close()  # after what is still to be sent of a page

    def turn_out(self) -> None:
        """There are too many connections without a stream, and this one has been so for longest."""
        if not self._requested:
            self._doorway.refuse("handshake")
        self._log(logging.INFO, "a connection without a stream makes room for others")
        self._transport.abort()

    def hand_over(self) -> None:
        """The session's client has connected anew: what is left here is to close."""
        self._stream = None
        self._lobby.enter(self)
        self._log(logging.INFO, "its client has another connection")
        self._close(lambda: self._ws.send_close(POLICY_VIOLATION, "the session goes on elsewhere"))

    # -- bytes in

    def _hear(self, *, unhurried: bool = True) -> None:
        """Takes in what has come; if it is ``unhurried``, with rests, see `server.work_share`."""
        if self._rest is not None:
            self._rest.cancel()
        rest_s = 0.0
        while self._unheard and not self._is_over:
            before_s = self._processor_s()
            asked = self._requested or self._ws.handshake_exc is not None
            self._receive(self._unheard.take(self._share.piece_bytes if asked else None))
            self.pump()  # what it is answered with is part of what it costs
            cost_s = self._processor_s() - before_s
            rest_s = self._share.spend(cost_s, self._loop.time())
            if rest_s and unhurried:
                break
        if self._is_over:
            self._unheard.drop()
        rests = rest_s > 0 and unhurried and not self._transport.is_closing()
        self._rest = self._loop.call_later(rest_s, self._hear) if rests else None
        self._listen_or_not()

    @property
    def _is_over(self) -> bool:
        """Whether nothing that comes can matter any more."""
        return self._deaf or self._transport.is_closing()

    def _listen_or_not(self) -> None:
        """Reads, unless the session has no room or the connection must rest."""
        blocked = self._stream is not None and self._stream.session.blocked
        listens = not blocked and self._rest is None
        if listens == self._reading or self._transport.is_closing():
            return
        self._reading = listens
        self._last_heard_s = self._loop.time()  # nobody listened until now
        if self._stream is not None:
            self._patience.heard(self._last_heard_s)
        (self._transport.resume_reading if listens else self._transport.pause_reading)()

    def _receive(self, data: bytes) -> None:
        if not self._requested:
            self._request_bytes += len(data)
            if self._request_bytes > MAX_REQUEST_BYTES:
                self._asked_too_much()
                return
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Request):
                self._handshake(event)
            elif isinstance(event, Frame):
                self._frame(event)
            if self._deaf:
                return
        replies = self._ws.data_to_send()
        if self._ws.handshake_exc is not None and not self._requested:
            replies = self._unreadable(replies)
        peer_ended = self._ws.state is not State.OPEN and self._farewell is None
        if peer_ended and self._stream is not None:
            pongs = list(takewhile(lambda reply: reply and not is_close(reply), replies))
            self._write(pongs)
            self._peer_ended(self._stream.session, replies[len(pongs) :])
        else:
            self._write(replies)

    # -- the handshake

    def _asked_too_much(self) -> None:
        self._requested = True
        self._doorway.refuse("handshake")
        info = f"the request has more than {MAX_REQUEST_BYTES} bytes: send fewer headers"
        self._say_the_last(refusal(431, info))

    def _waited_too_long(self) -> None:
        """For a request, which is told; or for a client to go that has its answer."""
        if self._requested or self._transport.is_closing():
            self._transport.abort()
            return
        self._requested = True
        self._doorway.refuse("handshake")
        limit_s = self._doorway.settings.handshake_timeout_s
        info = f"the request did not come to its end within {limit_s} s: send all of it at once"
        self._say_the_last(refusal(408, info))
        self._timer = self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def _say_the_last(self, answer: bytes) -> None:
        """Whatever comes after it is thrown away unread; a time-out is running."""
        self._deaf = True
        self._write([answer, b""])

    def _handshake(self, request: Request) -> None:
        self._requested = True
        if not is_websocket(request.headers.raw_items()):
            self._show_page(request)
            return
        try:
            opening = self._doorway.read(request.path, _only(request.headers, "Authorization"))
            response = self._ws.accept(request)
            if response.status_code != 101:
                reason = (response.body or b"").decode().strip()
                self._doorway.refuse("handshake")
                self._refuse(response.status_code, reason, tuple(response.headers.raw_items()))
                return
        except RequestError as error:
            self._turn_away(error)
            return
        self._enter(opening, response, self._loop.time() + MOVING_TIMEOUT_S)

    def _enter(self, opening: Opening, response: Response, until_s: float) -> None:
        """Lets the client in with what it asks for; waits for a session that is on its way here."""
        if self._transport.is_closing():
            return
        now_s = self._loop.time()
        try:
            stream = self._doorway.admit(opening, self, self._address, now_s)
        except ElsewhereError as error:
            if now_s < until_s:
                self._loop.call_later(MOVING_POLL_S, self._enter_now, opening, response, until_s)
                return
            self._doorway.refuse(error.reason)
            self._turn_away(error)
            return
        except RequestError as error:
            self._turn_away(error)
            return
        self._stream, self._session_id = stream, stream.session.id
        settings = self._doorway.settings
        self._patience = Patience(
            settings.idle_timeout_s, settings.unread_timeout_s, self._loop.time()
        )
        if stream.token is not None:
            response.headers[SESSION_HEADER] = stream.token
        self._ws.send_response(response)
        self._lobby.leave(self)
        self._timer.cancel()
        self._timer = self._loop.call_later(PING_INTERVAL_S, self._keep_alive)
        what = "stream goes on" if opening.comes_back else "stream begins"
        self._log(logging.INFO, what, slot=stream.slot.slot, **asdict(stream.parameters))
        self._write(self._ws.data_to_send())

    def _enter_now(self, opening: Opening, response: Response, until_s: float) -> None:
        """As `_enter`, where no bytes have come that are answered afterwards."""
        self._enter(opening, response, until_s)
        self.pump()

    def _turn_away(self, error: RequestError) -> None:
        self._refuse(error.http_status, error.message, error.headers)

    def _refuse(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """By an answer of our own: a server that is full must refuse cheaply."""
        self._say_the_last(refusal(status, reason, headers))
        if log.isEnabledFor(logging.INFO):
            logs.event(log, logging.INFO, "refused", status=status, reason=reason)

    def _unreadable(self, replies: list[bytes]) -> list[bytes]:
        """What is no request is refused; of most the library would only end the connection."""
        self._requested = self._deaf = True
        self._doorway.refuse("handshake")
        if any(replies):
            return replies  # a line too long
        assert self._ws.handshake_exc is not None
        cause = self._ws.handshake_exc.__cause__
        if isinstance(cause, EOFError):
            return replies  # nobody is there to read it
        info = f"this is no request that a WebSocket begins with: {cause!s:.200}"
        return [refusal(400, info), *replies]

    def _show_page(self, request: Request) -> None:
        """A plain HTTP request, such as a browser's for the console: answered, and that was it.

        What the client sends after it is discarded, within a time-out.
        """
        if_none_match = ", ".join(request.headers.get_all("If-None-Match"))
        answer = self._site.answer(PageRequest(request.method, request.path, if_none_match))
        plain = self._ws.reject(answer.status, "")
        with_body = request.method != "HEAD"
        self._ws.send_response(page_response(plain, answer, with_body=with_body))

    # -- frames in

    def _frame(self, frame: Frame) -> None:
        """Hands whole messages to the session."""
        if self._stream is None or frame.opcode in {Opcode.PING, Opcode.CLOSE}:
            return
        session = self._stream.session
        if frame.opcode is Opcode.PONG:
            session.arrived(number_in(frame.data))
            return
        try:
            message = self._assembly.feed(frame)
        except UnicodeDecodeError:
            session.receive_undecodable_text()
            return
        if message is None:
            return
        self._patience.heard(self._loop.time())
        if isinstance(message, bytes):
            session.receive_audio(message)
        else:
            session.receive_text(message)

    def _peer_ended(self, session: Session, replies: list[bytes]) -> None:
        """The client closed or broke the protocol: the reply waits for the last final.

        One that was being let go for something else is told that, not its own code.
        """
        if session.closing is not None:
            replies = [close_frame(session.closing) if is_close(r) else r for r in replies]
        self._farewell = replies
        if isinstance(self._ws.parser_exc, PayloadTooBig):
            session.receive_oversized()
        else:
            session.end()

    # -- the end

    def _finish(self, session: Session) -> None:
        """The last final is out: free the slot and close."""
        closing = session.closing
        assert self._stream is not None
        assert closing is not None
        self._log(logging.INFO, "stream ends", code=closing.code)
        self._doorway.leave(self._stream)
        self._stream = None
        self._lobby.enter(self)
        self._close(lambda: self._ws.send_close(closing.code, closing.reason))
        if self._half_closed and self._farewell is None:
            self._transport.close()  # no close frame will come from there

    def _close(self, say_so: Callable[[], None]) -> None:
        """Says goodbye; what the client sends meanwhile is discarded, within a time-out."""
        self._timer.cancel()
        self._timer = self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)
        if self._transport.is_closing():
            return
        self._listen_or_not()
        if self._farewell is not None:
            self._write(self._farewell)
        elif self._ws.state is State.OPEN:
            say_so()
            self._write(self._ws.data_to_send())

    def _write(self, chunks: list[bytes]) -> None:
        """Writes the protocol's bytes; an empty chunk stands for the end of the stream.

        A client that is still sending would lose what it has not read yet if its connection were
        closed: the kernel answers further bytes with a reset. So only this direction ends, and the
        client ends the other; a timer is running.
        """
        for chunk in chunks:
            if chunk:
                self._transport.write(chunk)
            elif self._half_closed or not self._transport.can_write_eof():
                self._transport.close()
            else:
                self._transport.write_eof()

    def _keep_alive(self) -> None:
        """Pings, so that a client whose network is gone does not hold its slot.

        One that has closed owes no answer any more: it waits for its last final.
        """
        assert self._stream is not None
        session = self._stream.session
        expected = self._reading and session.closing is None
        silent_s = self._loop.time() - self._last_heard_s
        if expected and silent_s > PING_TIMEOUT_S:
            self._log(logging.INFO, f"a client has been silent for {silent_s:.0f} s: disconnected")
            self._transport.abort()
            return
        if self._ws.state is State.OPEN:
            self._ws.send_ping(str(session.said).encode() if session.resumable else b"")
            self._write(self._ws.data_to_send())
        self._timer = self._loop.call_later(PING_INTERVAL_S, self._keep_alive)

    def _log(self, level: int, message: str, **fields: object) -> None:
        """A line that belongs to the session, if there is one by now."""
        if log.isEnabledFor(level):
            session = {logs.SESSION: self._session_id} if self._session_id else {}
            logs.event(log, level, message, **session, **fields)


def _only(headers: Headers, name: str) -> str | None:
    """The header, if it is there once: of several, none can be believed."""
    values = headers.get_all(name)
    return values[0] if len(values) == 1 else None
