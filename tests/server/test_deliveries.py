"""What is said again: everything that may not have arrived, once each, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.deliveries import KEPT_ANYWAY, MAX_KEPT, Deliveries


def said(count: int) -> Deliveries:
    """Finals 1 to ``count``; the id of each is its number."""
    deliveries = Deliveries()
    for number in range(1, count + 1):
        deliveries.add(str(number), b"%d" % number, passes=False)
    return deliveries


def numbers(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]


def test_what_follows_the_last_message_that_arrived() -> None:
    deliveries = said(5)
    assert deliveries.after("3") == numbers(4, 5)
    assert deliveries.after("5") == []
    assert deliveries.after("5") == deliveries.after("5"), "nothing is forgotten by it"


def test_everything_for_a_client_that_names_none_or_one_that_is_not_known() -> None:
    assert said(5).after(None) == said(5).after("six") == numbers(1, 5)
    assert Deliveries().after("1") == []


def test_of_partials_only_the_newest_is_worth_it() -> None:
    deliveries = Deliveries()
    for message_id, passes in (("p1", True), ("p2", True), ("f1", False), ("p3", True)):
        deliveries.add(message_id, message_id.encode(), passes=passes)
    assert deliveries.after(None) == [b"f1", b"p3"]
    assert deliveries.after("p1") == deliveries.after("p2") == [b"f1", b"p3"]
    assert deliveries.after("f1") == [b"p3"]
    assert deliveries.after("p3") == []


def test_what_arrived_is_forgotten_but_for_the_last() -> None:
    deliveries = said(100)
    deliveries.confirm(50)
    assert deliveries.after(None) == numbers(51, 100)
    deliveries.confirm(90)
    assert deliveries.after(None) == numbers(100 - KEPT_ANYWAY + 1, 100)
    assert deliveries.said == 100
    assert not deliveries.incomplete


def test_more_than_there_was_cannot_be_confirmed() -> None:
    deliveries = said(100)
    deliveries.confirm(10**9)
    assert deliveries.after(None) == numbers(100 - KEPT_ANYWAY + 1, 100)
    deliveries.confirm(-1)
    deliveries.confirm(0)
    assert len(deliveries.after(None)) == KEPT_ANYWAY


def test_it_is_bounded_and_tells() -> None:
    deliveries = said(MAX_KEPT)
    assert not deliveries.incomplete
    deliveries.add("one", b"too many", passes=False)
    assert deliveries.incomplete
    assert deliveries.after(None) == []


@given(st.lists(st.tuples(st.sampled_from(["final", "partial", "confirm"]), st.integers(0, 60))))
def test_no_final_that_may_not_have_arrived_is_missing(steps: list[tuple[str, int]]) -> None:
    deliveries, finals, confirmed = Deliveries(), [], 0
    for kind, number in steps:
        if kind == "confirm":
            confirmed = max(confirmed, min(number, deliveries.said))
            deliveries.confirm(number)
            continue
        message_id = str(deliveries.said + 1)
        deliveries.add(message_id, message_id.encode(), passes=kind == "partial")
        if kind == "final":
            finals.append(deliveries.said)
    again = [int(message) for message in deliveries.after(None)]
    assert again == sorted(set(again))
    assert [final for final in finals if final > confirmed] == [
        number for number in again if number > confirmed and number in finals
    ]
