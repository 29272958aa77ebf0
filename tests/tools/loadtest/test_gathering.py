from __future__ import annotations

from tools.loadtest.gathering import Gathering


def test_the_time_together_begins_with_the_last_stream() -> None:
    gathering = Gathering(2, together_s=10.0)
    gathering.came(1, 0.0)
    assert not gathering.is_over(1000.0)  # the other one is still at the door
    gathering.came(2, 30.0)
    assert not gathering.is_over(39.9)
    assert gathering.is_over(40.0)


def test_a_stream_that_comes_again_does_not_begin_it_anew() -> None:
    gathering = Gathering(1, together_s=10.0)
    gathering.came(1, 0.0)
    gathering.came(1, 9.0)
    assert gathering.is_over(10.0)


def test_nobody_waits_for_a_stream_that_has_left() -> None:
    gathering = Gathering(2, together_s=10.0)
    gathering.came(1, 0.0)
    gathering.left(1)
    gathering.left(2)
    assert gathering.is_over(10.0)


def test_unless_a_time_is_said_the_playlists_decide() -> None:
    gathering = Gathering(1)
    gathering.came(1, 0.0)
    assert not gathering.is_over(1e9)
