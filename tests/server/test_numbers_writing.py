"""How the numbers of one run are written, and which words they take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.numbers_vocabulary import FOLLOWERS, PARTS
from server.numbers_writing import write_run

ANY_RUN = st.lists(st.sampled_from(sorted(PARTS | FOLLOWERS)), max_size=10)


@pytest.mark.parametrize(
    ("said", "before", "expected"),
    [
        ("seventy two", "", [(0, 2, "72")]),
        ("one", "", []),
        ("one two", "", [(0, 1, "1"), (1, 2, "2")]),
        ("one and two", "", [(0, 1, "1"), (2, 3, "2")]),
        ("one percent", "", [(0, 2, "1%")]),
        ("five per cent and", "", [(0, 3, "5%")]),
        ("five dollars and twenty cents", "", [(0, 5, "$5.20")]),
        ("five dollars and twenty", "", [(0, 2, "$5"), (3, 4, "20")]),
        ("two point five dollars and ten cents", "", [(0, 4, "$2.5"), (5, 6, "10")]),
        ("one point five million dollars", "", [(0, 3, "$1.5"), (3, 5, "million")]),
        ("ten point one point two", "", [(0, 5, "10.1.2")]),
        ("ten point", "", [(0, 1, "10")]),
        ("minus two", "", [(0, 2, "-2")]),
        ("minus first", "", []),
        ("ten minus two", "", [(0, 1, "10"), (2, 3, "2")]),
        ("ten thirty", "at", [(0, 2, "10:30")]),
        ("eleventh", "", [(0, 1, "11th")]),
        ("one hundred eleventh", "", [(0, 3, "111th")]),
        ("second", "", []),
        ("", "", []),
    ],
)
def test_writing(said: str, before: str, expected: list[tuple[int, int, str]]) -> None:
    assert [number[:3] for number in write_run(said.split(), before)] == expected


@given(ANY_RUN, st.sampled_from(["", "at", "half", "of", "cats"]))
def test_numbers_come_in_order_and_do_not_overlap(run: list[str], before: str) -> None:
    position = 0
    for number in write_run(run, before):
        assert position <= number.start < number.end <= len(run)
        assert number.text
        position = number.end
