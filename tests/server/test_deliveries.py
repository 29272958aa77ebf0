"""What is said again: everything that may not have arrived, once each, in order."""

from __future__ import annotations

import json
import uuid

from hypothesis import given
from hypothesis import strategies as st

from server.deliveries import Deliveries
from shm.said import KEPT_ANYWAY
from tests.server.fakes import FakeSlot


class Messages:
    """A session's messages; each is its own number."""

    def __init__(self, token: str = "token") -> None:
        self.slot = FakeSlot()
        self.deliveries = Deliveries(self.slot.said, token)
        self.ids = [""]

    def add(self, *, passes: bool = False) -> None:
        self.ids.append(self.deliveries.next_id())
        self.deliveries.add(b"%d" % (len(self.ids) - 1), passes=passes)

    def after(self, number: int) -> list[int]:
        return [json.loads(message) for message in self.deliveries.after(self.ids[number])]


def said(count: int) -> Messages:
    """Finals 1 to ``count``."""
    messages = Messages()
    for _ in range(count):
        messages.add()
    return messages


def test_what_follows_the_last_message_that_arrived() -> None:
    messages = said(5)
    assert messages.after(3) == [4, 5]
    assert messages.after(5) == []
    assert messages.after(5) == messages.after(5), "nothing is forgotten by it"


def test_everything_for_a_client_that_names_none_or_one_that_is_not_known() -> None:
    deliveries = said(3).deliveries
    everything = [b"1", b"2", b"3"]
    assert deliveries.after(None) == everything
    for unknown in ("", "six", str(uuid.uuid4()), str(uuid.UUID(int=0)), deliveries.next_id()):
        assert deliveries.after(unknown) == everything
    assert Messages().deliveries.after("1") == []


def test_another_sessions_messages_are_not_known() -> None:
    other = Messages("another")
    other.add()
    assert said(3).deliveries.after(other.ids[1]) == [b"1", b"2", b"3"]


def test_ids_are_version_4_uuids_and_unlike() -> None:
    ids = [uuid.UUID(text) for text in (*said(50).ids[1:], *Messages("another").ids[1:])]
    assert len(set(ids)) == len(ids)
    assert {(one.version, one.variant) for one in ids} == {(4, uuid.RFC_4122)}


def test_of_partials_only_the_newest_is_worth_it() -> None:
    messages = Messages()
    for passes in (True, True, False, True):
        messages.add(passes=passes)
    assert messages.after(0) == messages.after(1) == messages.after(2) == [3, 4]
    assert messages.after(3) == [4]
    assert messages.after(4) == []


def test_a_successor_knows_all_but_the_newest_partial() -> None:
    messages = Messages()
    for passes in (False, True, False, True):
        messages.add(passes=passes)
    messages.deliveries = Deliveries(messages.slot.said, "token")
    assert messages.after(0) == [1, 3]
    assert messages.after(1) == messages.after(2) == [3]
    messages.add()
    assert messages.after(4) == [5]


def test_what_arrived_is_forgotten_but_for_the_last() -> None:
    messages = said(100)
    messages.deliveries.confirm(90)
    assert messages.after(0) == list(range(90 - KEPT_ANYWAY + 1, 101))
    assert messages.deliveries.said == 100
    assert not messages.deliveries.incomplete


@given(st.lists(st.tuples(st.sampled_from(["final", "partial", "confirm"]), st.integers(0, 60))))
def test_no_final_that_may_not_have_arrived_is_missing(steps: list[tuple[str, int]]) -> None:
    messages, finals, confirmed = Messages(), [], 0
    for kind, number in steps:
        if kind == "confirm":
            confirmed = max(confirmed, min(number, messages.deliveries.said))
            messages.deliveries.confirm(number)
            continue
        messages.add(passes=kind == "partial")
        if kind == "final":
            finals.append(messages.deliveries.said)
    again = messages.after(0)
    assert again == sorted(set(again))
    assert [final for final in finals if final > confirmed] == [
        number for number in again if number > confirmed and number in finals
    ]
