"""From one server to the next on the same port: listening sockets change hands, nobody is refused.

A server offers its sockets at an abstract Unix socket that is named after the address of its port
and, like the port, belongs to the network namespace. One that is to take over asks there, gets the
sockets by SCM_RIGHTS (unix(7)), loads its models, accepts beside the old one, and only then says
that it serves. What waits to be accepted waits in the socket, which both hold: it survives the old
one's end, which a second socket on the port (SO_REUSEPORT) would not let it.

Messages are packets (SOCK_SEQPACKET). The old server speaks first: `_OFFER` with the sockets, or
why not. The new one answers `_SERVING`, and is answered `_LEAVING`. Its end before that, however
it came, changes nothing.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

ANSWER_TIMEOUT_S: Final = 10.0
"""The old supervisor looks ten times a second; one that is silent for so long hangs."""
MAX_SOCKETS: Final = 8

_VERSION: Final = b"1"
_OFFER: Final = b"realtime-engine takeover " + _VERSION
_BUSY: Final = b"busy"
_NOT_YOURS: Final = b"not yours"
_SERVING: Final = b"serving"
_LEAVING: Final = b"leaving"
_MESSAGE_BYTES: Final = 64
_PEER: Final = struct.Struct("3i")  # struct ucred: process, user, group
_ROOT: Final = 0


class TakeoverError(Exception):
    """The port cannot be taken over; the message is one line and says what would be right."""


class Handover:
    """The old server's side: its offer, for whoever comes. `close` it before the sockets.

    Raises (when made):
        OSError: the name is taken, by a program that is no server of this port.
    """

    def __init__(self, listening: Sequence[socket.socket]) -> None:
        """``listening``: the clients' socket first; they stay the caller's."""
        self._listening = listening
        self._guest: socket.socket | None = None
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._door.bind(_name(listening[0].getsockname()))
            self._door.listen()
        except OSError:
            self._door.close()
            raise
        self._door.setblocking(False)

    def look(self) -> tuple[bool, list[str]]:
        """Answers who has come. True once a successor serves: it has been told that this one goes.

        Returns besides what happened, a line each, for the log.
        """
        events: list[str] = []
        try:
            while True:
                events += self._greet(self._door.accept()[0])
        except BlockingIOError:
            pass
        if self._guest is None:
            return False, events
        try:
            said = self._guest.recv(_MESSAGE_BYTES)
        except BlockingIOError:
            return False, events
        except OSError:
            said = b""
        if said == _SERVING:
            self._door.close()  # the name is the successor's, once it has heard
            _say(self._guest, _LEAVING)
            return True, [*events, "another server has taken over: this one finishes and ends"]
        self._guest.close()
        self._guest = None
        return False, [*events, "the server that was to take over has ended: this one goes on"]

    def close(self) -> None:
        """Nobody is answered any more."""
        self._door.close()
        if self._guest is not None:
            self._guest.close()

    def _greet(self, guest: socket.socket) -> list[str]:
        user = _user_of(guest)
        if user not in {os.geteuid(), _ROOT}:
            _say(guest, _NOT_YOURS)
            guest.close()
            return [f"user {user} wanted to take over and may not"]
        if self._guest is not None:
            _say(guest, _BUSY)
            guest.close()
            return []
        guest.setblocking(False)
        try:
            socket.send_fds(guest, [_OFFER], [listening.fileno() for listening in self._listening])
        except OSError:
            guest.close()
            return []
        self._guest = guest
        return ["another server is starting to take over"]


class Predecessor:
    """The new server's side: the old one, until it has been told to go."""

    def __init__(self, line: socket.socket, listening: list[socket.socket]) -> None:
        """Made by `find`."""
        self._line = line
        self.listening = listening
        """Its sockets, the clients' first. Whoever keeps one takes it out."""

    @staticmethod
    def find(address: tuple[str, int], port: int) -> Predecessor | None:
        """Asks the server whose socket is bound to ``address`` for its sockets.

        None, where no server offers any.

        Raises:
            TakeoverError: it is another user's, speaks another version, is being taken over
                already, or does not answer.
        """
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.settimeout(ANSWER_TIMEOUT_S)
        try:
            line.connect(_name(address))
        except (ConnectionRefusedError, FileNotFoundError):
            line.close()
            return None
        fds: list[int] = []
        try:
            owner = _user_of(line)
            if owner not in {os.geteuid(), _ROOT}:
                raise TakeoverError(_belongs_to(port, owner))
            said, fds, _, _ = socket.recv_fds(line, _MESSAGE_BYTES, MAX_SOCKETS)
            for fd in fds:
                os.set_inheritable(fd, False)
            if said == _NOT_YOURS:
                raise TakeoverError(_belongs_to(port, owner))
            if said == _BUSY:
                raise TakeoverError(
                    f"another server is taking over port {port} already: wait for it, or stop it"
                )
            if said != _OFFER or not fds:
                raise TakeoverError(
                    f"the server on port {port} is of another version, and cannot be taken over: "
                    "stop it first"
                )
        except TimeoutError as error:
            line.close()
            raise TakeoverError(
                f"the server on port {port} does not answer: stop it first"
            ) from error
        except (OSError, TakeoverError) as error:
            for fd in fds:
                os.close(fd)
            line.close()
            if isinstance(error, TakeoverError):
                raise
            raise TakeoverError(f"the server on port {port} has just ended: start again") from error
        return Predecessor(line, [socket.socket(fileno=fd) for fd in fds])

    def take(self, address: tuple[str, int]) -> socket.socket | None:
        """Its socket of this address, the caller's from now on; None if it has none there."""
        for index, listening in enumerate(self.listening):
            if listening.getsockname()[:2] == address[:2]:
                return self.listening.pop(index)
        return None

    def dismiss(self) -> bool:
        """Clients are served here: it may go. False if it does not answer, and so may stay."""
        _say(self._line, _SERVING)
        try:
            # No answer but the line's end: it has ended already.
            said = self._line.recv(_MESSAGE_BYTES)
        except TimeoutError:
            return False
        except OSError:
            said = b""
        return said in {_LEAVING, b""}

    def close(self) -> None:
        """Forgets it, and its sockets that nobody took. Undismissed, it goes on."""
        self._line.close()
        for listening in self.listening:
            listening.close()


def _name(address: tuple[str, int]) -> bytes:
    """An abstract name: no file is left behind by whoever is killed."""
    host, port = address[:2]
    return f"\0realtime-engine/{host}:{port}".encode()


def _user_of(line: socket.socket) -> int:
    """Whose process is at the other end, as the kernel says."""
    peer = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    user: int = _PEER.unpack(peer)[1]
    return user


def _belongs_to(port: int, user: int) -> str:
    return f"the server on port {port} belongs to user {user}: take it over as that user"


def _say(line: socket.socket, message: bytes) -> None:
    with suppress(OSError):  # whoever has gone needs no answer
        line.send(message)
