"""Who is let in, and with which words the others are sent away. Pure.

One for a frontend process; every connection asks it with what its opening request says. What is
refused is counted here, by reason. What it lets in has a slot, fresh or of a session that its
client comes back to (`server.keeping`).
"""

from __future__ import annotations

from typing import Final

from server.addresses import Addresses
from server.admission import Doorkeeper, NoSlotError
from server.adoption import Client
from server.api_keys import ApiKeys
from server.frontend_settings import EVERYBODY, ClientSettings
from server.handshake import NEW, SESSION, Opening, RequestError, parse_request, query_of
from server.keeping import Holder, Keeping, NotTheSameError, Stream
from server.moving import Moving
from server.session import Session
from shm.figures import GIVEN_UP, RESUMED

RETRY_AFTER_S: Final = 2
_LATER: Final = (("Retry-After", str(RETRY_AFTER_S)),)


class ElsewhereError(RequestError):
    """The session is still with another process."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "the session is with a process that does not let go of it: try again",
            SESSION,
            _LATER,
        )


class Doorway:
    """The rules of one process. ``keys`` may be replaced at any time."""

    def __init__(
        self,
        admission: Doorkeeper,
        model_rate_hz: int,
        keys: ApiKeys,
        settings: ClientSettings = EVERYBODY,
        moving: Moving | None = None,
    ) -> None:
        """Without ``moving`` no session comes here from another process."""
        self._admission = admission
        self._model_rate_hz = model_rate_hz
        self.keys = keys
        self.settings = settings
        self._addresses = Addresses(settings.address_streams)
        self._keeping = Keeping(settings.keep_session_s, self._give_up)
        self._moving = moving

    def read(self, target: str, authorization: str | None) -> Opening:
        """What an opening request asks for.

        Raises:
            RequestError: it cannot be had as it is asked for (404, 400), or not by this client
                (401).
        """
        try:
            opening = parse_request(target)
            refusal = self.keys.refusal(authorization, opening.api_key)
            if refusal is not None:
                challenge = ("WWW-Authenticate", 'Bearer realm="realtime-engine"')
                raise RequestError(401, refusal, "key", (challenge,))
        except RequestError as error:
            self._admission.refuse(error.reason)
            raise
        return opening

    def admit(self, opening: Opening, holder: Holder, address: str, now_s: float) -> Stream:
        """The stream that ``opening`` asks for, new or come back to, for a client at ``address``.

        Raises:
            RequestError: there is no room (503), or not for this address (429), no such session
                (410), or not with these parameters (409).
            ElsewhereError: another process has it, and was asked to let it go: try again soon.
        """
        if opening.comes_back:
            return self._come_back(opening, holder, now_s)
        if not self._addresses.has_room(address):
            self._admission.refuse("address")
            raise RequestError(
                429,
                f"your address has {self._addresses.most} streams, which is the most here: end one "
                "of them first",
                "address",
                _LATER,
            )
        try:
            slot = self._admission.claim(make_room=lambda: self._keeping.make_room(now_s))
        except NoSlotError as error:  # counted where it was found out
            raise RequestError(503, str(error), "full", _LATER) from error
        self._addresses.enter(address)
        token = self._keeping.new_token(slot.slot) if opening.session == NEW else None
        session = Session(slot, opening.parameters, self._model_rate_hz, token)
        stream = Stream(session, slot, opening.parameters, address, token, holder)
        if token is not None:
            client = Client(token, opening.parameters, address, session.id)
            slot.introduce(client.to_bytes())
            self._keeping.add(stream)
        return stream

    def find(self, now_s: float) -> int:
        """Goes on with this process's sessions that nobody holds, if their clients may come back.

        Returns how many they are.
        """
        found = [] if self._moving is None else self._moving.find()
        for stream in found:
            self._keep(stream, now_s)
        return len(found)

    def refuse(self, reason: str) -> None:
        """A client was sent away for a reason that was found out elsewhere."""
        self._admission.refuse(reason)

    def leave(self, stream: Stream) -> None:
        """A stream has ended: its slot is free."""
        self._keeping.forget(stream)
        self._free(stream)

    def lose(self, stream: Stream, now_s: float) -> bool:
        """The connection of a stream is broken; whether its client may come back to it."""
        if self._keeping.leave_alone(stream, now_s):
            return True
        self.leave(stream)
        return False

    # -- sessions without a connection

    def pump(self, now_s: float) -> bool:
        """Takes their results, which wait for their clients, and lets their audio go on.

        Lets go of those whose clients have come to another process, and takes in those that were
        let go for this one. Returns whether there are any.
        """
        if self._moving is not None:
            self._move(self._moving, now_s)
        alone = list(self._keeping.alone)
        for stream in alone:
            stream.session.pump()
            stream.session.outgoing()  # they are kept as what may be said again
            stream.slot.kept()
        return bool(alone)

    def look_at_the_clock(self, now_s: float) -> None:
        """Gives up those that nobody came back to in time; see `Admission.look_at_the_clock`."""
        self.find(now_s)
        self._keeping.give_up_overdue(now_s)
        self._admission.look_at_the_clock()

    def close(self) -> None:
        """The server stops."""
        self._keeping.give_up_all()

    def _move(self, moving: Moving, now_s: float) -> None:
        for wish in moving.asked_away():
            stream = self._keeping.in_slot(wish.slot, wish.epoch)
            if stream is not None:
                if stream.holder is not None:
                    stream.holder.hand_over()
                self._keeping.forget(stream)
                self._addresses.leave(stream.address)
                moving.let_go(stream, wish)
        for stream in moving.arrived(now_s):
            self._keep(stream, now_s)

    def _keep(self, stream: Stream, now_s: float) -> None:
        """A session that came from another process: nobody is connected to it."""
        self._addresses.enter(stream.address)
        self._keeping.find(stream, now_s)

    def _come_back(self, opening: Opening, holder: Holder, now_s: float) -> Stream:
        assert opening.session is not None
        try:
            stream = self._keeping.come_back(opening.session, opening.parameters, holder)
        except NotTheSameError as error:
            self._admission.refuse(SESSION)
            raise RequestError(
                409,
                f"the session was begun with {query_of(error.parameters)}: connect with the same "
                "parameters",
                SESSION,
            ) from error
        if (
            stream is None
            and self._moving is not None
            and self._moving.ask_for(opening.session, now_s)
        ):
            raise ElsewhereError
        if stream is None:
            self._admission.refuse(SESSION)
            raise RequestError(410, self._gone(), SESSION)
        stream.session.come_back(opening.last_message_id)
        self._admission.count(RESUMED)
        return stream

    def _gone(self) -> str:
        if not self._keeping.keep_s:
            return "this server keeps no sessions: connect without one"
        return (
            f"there is no such session any more: it is kept for {self._keeping.keep_s:g} s after "
            f"its connection broke. Connect with {SESSION}={NEW}, and send again what no final "
            "covers"
        )

    def _give_up(self, stream: Stream) -> None:
        self._admission.count(GIVEN_UP)
        self._free(stream)

    def _free(self, stream: Stream) -> None:
        self._addresses.leave(stream.address)
        self._admission.release(stream.slot)
