"""The floor: the longer of two divisions, and where it is written."""

from __future__ import annotations

import pytest

from bench.counting import Counted
from bench.floor import BEGIN, CARDS, END, PAGE, Card, floor_ms, floor_of, replaced, report
from tests.gpu_worker.tiny import TINY

FOUND = Counted(
    weights_bytes=1000,
    once_operations=0,
    row_operations=100,
    row_bytes=10,
    calls=7,
    passed_once_bytes=1000,
    passed_row_bytes=50,
)


def test_the_longer_of_operations_and_bytes_is_the_floor() -> None:
    work = FOUND.work(10)
    assert floor_ms(work, 1000, 1e9) == pytest.approx(1000)
    assert floor_ms(work, 1e9, 1100) == pytest.approx(1000)


def test_sixteen_bits_halve_the_bytes_and_use_the_matrix_units() -> None:
    card = Card("a card", float32=1e9, half=1e12, memory=1000)
    assert floor_of(FOUND.work(1), FOUND.work(1, 2), card) == (1010, 505)


def test_the_report_has_a_line_for_each_number_of_rows() -> None:
    text = report(TINY, FOUND, [1, 8])
    rows = [line for line in text.splitlines() if line.startswith(("| 1 |", "| 8 |"))]
    assert len(rows) == 2
    assert all(card.name in text for card in CARDS)


def test_the_page_has_a_place_for_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert BEGIN + "new\n" + END in replaced(page, "new\n")
