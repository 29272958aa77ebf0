"""Listening sockets from one server to the next: both sides in one process, over real sockets."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType

import pytest

from server import takeover
from server.takeover import Handover, Predecessor, TakeoverError
from tests.conformance.server_process import HOST, free_port
from tests.conformance.waiting import wait_until
from tests.server.processes import open_descriptors

COMES = "another server is starting to take over"
GOES_ON = "the server that was to take over has ended: this one goes on"
LEAVES = "another server has taken over: this one finishes and ends"


class Old:
    """The old server, which looks at its offer now and then, as a supervisor does."""

    def __init__(self, *listening: socket.socket) -> None:
        self._handover = Handover(listening)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.events: list[str] = []
        self.succeeded = False

    def __enter__(self) -> Old:
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ends.set()
        self._thread.join()
        self._handover.close()

    def _run(self) -> None:
        while not (self._ends.is_set() or self.succeeded):
            self.succeeded, events = self._handover.look()
            self.events += events
            time.sleep(0.001)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOST, free_port())) as listening:
        yield listening


def find(listener: socket.socket) -> Predecessor | None:
    address = listener.getsockname()
    return Predecessor.find(address, address[1])


def test_what_waits_to_be_accepted_survives_the_old_socket(listener: socket.socket) -> None:
    with Old(listener) as old:
        predecessor = find(listener)
        assert predecessor is not None
        (taken,) = predecessor.listening
        assert not os.get_inheritable(taken.fileno()), "children get what they are given"
        with socket.create_connection(listener.getsockname()) as client:
            assert not old.succeeded
            assert predecessor.dismiss()
            wait_until(lambda: old.succeeded, "the old one knows")
            listener.close()
            accepted, _ = taken.accept()
            accepted.sendall(b"welcome")
            assert client.recv(16) == b"welcome"
            accepted.close()
        assert old.events == [COMES, LEAVES]
        with Old(taken) as successor:
            assert successor.events == [], "the name is free for its own offer at once"
        predecessor.close()


def test_sockets_are_found_by_their_addresses(listener: socket.socket) -> None:
    with socket.create_server((HOST, 0)) as operators, Old(listener, operators):
        predecessor = find(listener)
        assert predecessor is not None
        taken = predecessor.take(operators.getsockname())
        assert taken is not None
        assert taken.getsockname() == operators.getsockname()
        taken.close()
        assert predecessor.take(operators.getsockname()) is None
        assert [left.getsockname() for left in predecessor.listening] == [listener.getsockname()]
        predecessor.close()


def test_nobody_offers_anything(listener: socket.socket) -> None:
    assert find(listener) is None
    with Old(listener):
        pass
    assert find(listener) is None, "an offer ends with its server"


def test_the_end_of_a_successor_that_never_served_changes_nothing(listener: socket.socket) -> None:
    with Old(listener) as old:
        expected: list[str] = []
        for _ in range(2):
            predecessor = find(listener)
            assert predecessor is not None
            predecessor.close()
            expected += [COMES, GOES_ON]
            wait_until(lambda: old.events == expected, "its coming and its end are noticed")
        assert not old.succeeded


def test_one_at_a_time(listener: socket.socket) -> None:
    with Old(listener) as old:
        first = find(listener)
        assert first is not None
        with pytest.raises(TakeoverError, match=r"is taking over port \d+ already"):
            find(listener)
        assert first.dismiss()
        assert old.events == [COMES, LEAVES]
        first.close()


def test_an_old_server_that_has_ended_is_not_waited_for(listener: socket.socket) -> None:
    with Old(listener):
        predecessor = find(listener)
        assert predecessor is not None
    assert predecessor.dismiss()
    predecessor.close()


def test_an_old_server_that_hangs(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takeover, "ANSWER_TIMEOUT_S", 0.2)
    hangs = Handover([listener])
    with pytest.raises(TakeoverError, match="does not answer: stop it first"):
        find(listener)
    hangs.close()
    with Old(listener) as old:
        predecessor = find(listener)
        assert predecessor is not None
        old._ends.set()  # it looks no more
        old._thread.join()
        assert not predecessor.dismiss()
        predecessor.close()


def test_another_users_server(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may take over anything. Others neither offer to nor believe anybody but their own."""
    monkeypatch.setattr(takeover, "_user_of", lambda _: 4711)
    handover = Handover([listener])
    with pytest.raises(TakeoverError, match="belongs to user 4711: take it over as that user"):
        find(listener)
    assert handover.look() == (False, ["user 4711 wanted to take over and may not"])
    handover.close()


def test_another_version(listener: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(takeover._name(listener.getsockname()))
        door.listen()

        def offer() -> None:
            guest, _ = door.accept()
            socket.send_fds(guest, [b"realtime-engine takeover 9"], [listener.fileno()])
            guest.close()

        before = open_descriptors()
        offering = threading.Thread(target=offer)
        offering.start()
        with pytest.raises(TakeoverError, match="of another version, and cannot be taken over"):
            find(listener)
        offering.join()
        assert open_descriptors() == before


def test_a_name_that_is_taken_is_an_error(listener: socket.socket) -> None:
    before = open_descriptors()
    first = Handover([listener])
    with pytest.raises(OSError, match="in use"):
        Handover([listener])
    first.close()
    assert open_descriptors() == before


def test_no_descriptor_is_left(listener: socket.socket) -> None:
    before = open_descriptors()
    for dismissed in (True, False):
        with Old(listener):
            predecessor = find(listener)
            assert predecessor is not None
            if dismissed:
                assert predecessor.dismiss()
            predecessor.close()
    del predecessor
    assert open_descriptors() == before
