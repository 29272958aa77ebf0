"""The times of a chunk, named, and left where others find them."""

from __future__ import annotations

import pytest

from shm import figures
from shm.doorbells import Doorbells
from shm.frontend_slot import FrontendSlot
from shm.layout import SLOT_TRACE, TRACE_WORDS
from shm.plane import Plane
from shm.trace import OF_EMISSION, OF_OUTBOX, STAGES, Trace, found_in

WAY = Trace(*(1_000_000 * at for at in (10, 11, 41, 90, 94, 200, 201)))


def test_stages_are_the_spans_between_times_and_add_up() -> None:
    stages = WAY.stages_ms()
    assert list(stages.values()) == [1, 30, 49, 4, 106, 1]
    assert sum(stages.values()) == pytest.approx(WAY.total_ms)


def test_every_stage_is_a_figure_of_the_same_name() -> None:
    assert [figure.name for figure in figures.TRACED] == [f"{stage}_seconds" for stage in STAGES]


def test_records_carry_what_is_before_their_own_time() -> None:
    assert Trace._fields[OF_EMISSION] == "stepped_ns"
    assert Trace._fields[OF_OUTBOX] == "published_ns"


def test_a_trace_is_found_where_it_was_left(plane: Plane, bells: Doorbells) -> None:
    line = plane.line(plane.layout.frontend_line(1))
    slot = FrontendSlot.begin(plane, bells, 1, frontend=0)
    before = [line[word] for word in range(SLOT_TRACE)]
    assert found_in(line) is None
    slot.leave_trace(WAY)
    assert found_in(line) == WAY
    assert [line[word] for word in range(SLOT_TRACE)] == before
    assert found_in(plane.line(plane.layout.frontend_line(0))) is None


def test_one_that_is_being_written_is_none(plane: Plane, bells: Doorbells) -> None:
    line = plane.line(plane.layout.frontend_line(1))
    FrontendSlot.begin(plane, bells, 1, frontend=0).leave_trace(WAY)
    line[SLOT_TRACE + TRACE_WORDS - 1] = 0
    assert found_in(line) is None
