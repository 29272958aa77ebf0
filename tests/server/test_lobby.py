"""Who has to go when too many connections have no stream."""

from __future__ import annotations

from server.lobby import Lobby


class Guest:
    """Knows whether it was turned out."""

    def __init__(self) -> None:
        self.out = False

    def turn_out(self) -> None:
        self.out = True


def test_the_one_that_has_been_here_longest_goes() -> None:
    lobby, guests = Lobby(most=3), [Guest() for _ in range(5)]
    for guest in guests:
        lobby.enter(guest)
        assert len(lobby) <= 3
    assert [guest.out for guest in guests] == [True, True, False, False, False]


def test_who_has_a_stream_is_not_here() -> None:
    lobby, guests = Lobby(most=2), [Guest() for _ in range(4)]
    lobby.enter(guests[0])
    lobby.leave(guests[0])
    lobby.leave(guests[0])
    for guest in guests[1:3]:
        lobby.enter(guest)
    assert not any(guest.out for guest in guests)
    lobby.enter(guests[0])
    assert [guest.out for guest in guests] == [False, True, False, False]


def test_nobody_is_here_twice() -> None:
    lobby, one, other = Lobby(most=2), Guest(), Guest()
    lobby.enter(one)
    lobby.enter(one)
    lobby.enter(other)
    assert len(lobby) == 2
    assert not one.out
